// SPDX-License-Identifier: BSD-2-Clause
// --mode isolated: how a router is given a packet, so that it comes as from the router before it.
#pragma once

#include <optional>

#include "base/error.hpp"
#include "judge/plan.hpp"
#include "route/network.hpp"
#include "route/segment.hpp"

namespace ksms {

/// @param at    the interface that the packets come in by
/// @param from  the one that sends them; nothing where that is not known
/// @return all but `ttl` and `hop`
Result<PlanInjection> injection_at(Network& network, const Segment::Endpoint& at,
                                   const std::optional<Segment::Endpoint>& from);

}  // namespace ksms
