// SPDX-License-Identifier: BSD-2-Clause
// Request and network -> plan.
#pragma once

#include <cstdint>
#include <span>

#include "base/error.hpp"
#include "judge/plan.hpp"
#include "route/network.hpp"
#include "route/request.hpp"

namespace ksms {

struct Detour;

/// @param tos  the whole byte that the packets carry whose way it is (Dscp::tos())
/// @param source_port  that the probes will carry: rules may look at it
/// @param detours  ways that an earlier round has seen: the routers behind them are planned too
/// @return Code::not_found: nobody owns the source, no such namespace, no such router; Code::usage:
/// the families differ,
///         more than KSMS_MAX_PROBES probes; Code::failed: the path of every service ends before
///         any router, with the reason (the source's link is down, no route, the destination is on
///         the source's own link, …)
Result<Plan> make_plan(Network& network, const ScanRequest& request, std::uint8_t tos,
                       std::uint16_t source_port = kFirstSourcePort,
                       std::span<const Detour> detours = {});
/// --mode isolated: the routers on that way, each an entry of its own, or those that are named.
Result<Plan> make_isolated_plan(Network& network, const ScanRequest& request, std::uint8_t tos,
                                std::uint16_t source_port);
/// Notes in a plan whom the mark would lead another way. @param marked  the plan made with the mark
/// @return whether it would lead anything
bool note_dscp_routed(const Plan& marked, Plan& plain);
/// What no plan can be made of.
Status check_addresses(const ScanRequest& request);

}  // namespace ksms
