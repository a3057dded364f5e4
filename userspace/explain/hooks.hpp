// SPDX-License-Identifier: BSD-2-Clause
// What happened to the probe at each hook of a namespace, in the order in which a packet passes
// them.
#pragma once

#include "explain/result.hpp"
#include "explain/watch.hpp"

namespace ksms {

/// Fills `hooks` from the verdict, the rule and the trace, and sets whether the route was taken.
/// @param hop    its verdict, route and rule are complete
/// @param watch  nullptr: no observations
void add_hooks(HopReport& hop, const Watch* watch);

}  // namespace ksms
