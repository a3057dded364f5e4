// SPDX-License-Identifier: BSD-2-Clause
// By which route or rule a kernel refuses to route.
#pragma once

#include <cstddef>
#include <string>

#include "route/network.hpp"

namespace ksms {

/// The kernel answers with an errno, which means other things too (a martian source is EINVAL), so
/// a route or a rule of that kind must be there.
/// @param answer  what the kernel said to a question for `destination`
/// @return "blackhole (10.2.0.0/16)", "prohibit (by a rule)"; "": it refused for another reason
Result<std::string> refusal_of(Network& network, std::size_t netns, const RouteAnswer& answer,
                               const Address& destination);

}  // namespace ksms
