// SPDX-License-Identifier: BSD-2-Clause
// What is known of a probe at each hook of a namespace, in the order in which a packet meets them.
#pragma once

#include "explain/result.hpp"
#include "explain/watch.hpp"

namespace ksms {

/// Fills `hooks` from the verdict, the rule and the trace, and says of the route whether it was
/// taken.
/// @param hop    verdict, route and rule are complete
/// @param watch  nullptr: nothing was looked at
void add_hooks(HopReport& hop, const Watch* watch);

}  // namespace ksms
