// SPDX-License-Identifier: BSD-2-Clause
// Parts that both kinds of plan are made of. For the planners.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "route/network.hpp"
#include "route/planner.hpp"
#include "route/tracer.hpp"

namespace ksms {

[[nodiscard]] PlanNetns plan_netns(const Network& network, std::size_t number);
/// Those of a plan whose rules its packets may meet, each once.
[[nodiscard]] std::vector<PlanNetns> namespaces_of(const Plan& plan);
/// Those that a router's taps belong on.
Result<std::vector<PlanInterface>> tap_interfaces(Network& network, std::size_t netns);
Result<PlanInterface> interface_of(Network& network, std::size_t netns, std::uint32_t ifindex);
/// Bit n: one of the rules looks at tos and catches DSCP n.
[[nodiscard]] std::uint64_t caught_dscps(const std::vector<RoutingRule>& rules);

/// Bridges between, the destination's host, and the neighbours that a way needs, into a plan.
class WaySurroundings {
public:
    /// @param own  is this namespace an entry or a router of the plan?
    WaySurroundings(Network& network, const Address& destination, Plan& plan,
                    std::function<bool(std::size_t netns)> own)
        : network_(network), destination_(destination), plan_(plan), own_(std::move(own)) {}
    Status note(const Trace& trace);
    /// Where the routes end before the destination's host, a firewall's mark or DSCP may lead on
    /// all the same: it is found by its address then.
    Status finish();
    Status note_neighbour(const Trace::NextHop& next);

private:
    Status note_host(std::size_t number);

    Network& network_;
    const Address& destination_;
    Plan& plan_;
    std::function<bool(std::size_t)> own_;
    std::set<std::size_t> bridges_, hosts_;
};

}  // namespace ksms
