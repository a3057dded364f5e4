// SPDX-License-Identifier: BSD-2-Clause
#include "route/injection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "route/plan_parts.hpp"

namespace ksms {
namespace {

/// The ports of a bridge that lead to a sender, by `same`.
template <typename Same>
Result<std::vector<const Link*>> ports_towards(Network& network, const Segment::Endpoint& bridge,
                                               const Same& same) {
    std::vector<const Link*> found;
    KSMS_TRY(const auto* interfaces, network.interfaces(bridge.netns));
    for (const auto& port : interfaces->links) {
        if (port.master != bridge.ifindex) continue;
        KSMS_TRY(const auto wire, segment_of(network, bridge.netns, port.ifindex));
        if (std::ranges::any_of(wire.endpoints, same)) found.push_back(&port);
    }
    return found;
}

/// The port by which a bridge gets the sender's packets. @return none where that is not certain
Result<const Link*> port_towards(Network& network, const Segment::Endpoint& bridge,
                                 const Segment::Endpoint& from) {
    KSMS_TRY(auto ports, ports_towards(network, bridge, [&](const Segment::Endpoint& each) {
                 return each == from;
             }));
    if (ports.empty()) {
        // The sender may be a device upon the one that is wired: a VLAN, a bond.
        KSMS_TRY(ports, ports_towards(network, bridge, [&](const Segment::Endpoint& each) {
                     return each.netns == from.netns;
                 }));
    }
    return ports.size() == 1 ? ports.front() : nullptr;
}

Status enter_by_port(Network& network, const Segment::Endpoint& bridge,
                     const Segment::Endpoint& from, PlanInjection& injection) {
    KSMS_TRY(const auto* port, port_towards(network, bridge, from));
    if (port == nullptr)
        injection.impossible =
            fmt::format("{}: by which port of {} the packets of {} come is not known",
                        network.netns(bridge.netns).name(), injection.interface.name,
                        network.netns(from.netns).name());
    else if (!port->up || !port->carrier)
        injection.impossible =
            fmt::format("{}: {} is down", network.netns(bridge.netns).name(), port->name);
    else
        injection.interface = {port->ifindex, port->name};
    return {};
}

/// Frames that are injected where an XDP program runs in the driver come in behind it.
Status go_through_xdp(Network& network, std::size_t netns, PlanInjection& injection) {
    KSMS_TRY(const auto* interfaces, network.interfaces(netns));
    const auto* link = interfaces->link(injection.interface.ifindex);
    if (link == nullptr || !link->xdp_in_driver) return {};
    auto other = std::optional(netns);
    if (link->peer_nsid >= 0) {
        KSMS_TRY(other, network.by_nsid(netns, link->peer_nsid));
    }
    if (link->kind == "veth" && link->peer != 0 && other)
        injection.peer = {plan_netns(network, *other), link->peer};
    else
        injection.impossible =
            fmt::format("{}: {} has an XDP program, and what is injected would come in behind it",
                        network.netns(netns).name(), link->name);
    return {};
}

}  // namespace

Result<PlanInjection> injection_at(Network& network, const Segment::Endpoint& at,
                                   const std::optional<Segment::Endpoint>& from) {
    PlanInjection injection;
    if (from) {
        KSMS_TRY(const auto* senders, network.interfaces(from->netns));
        const auto* sender = senders->link(from->ifindex);
        if (sender != nullptr) injection.from = sender->mac.value_or(injection.from);
    }
    KSMS_TRY(const auto* interfaces, network.interfaces(at.netns));
    const auto* link = interfaces->link(at.ifindex);
    if (link == nullptr) return injection;
    injection.interface = {link->ifindex, link->name};
    injection.mac = link->mac.value_or(Mac{});
    if (from && link->kind == "bridge") KSMS_CHECK(enter_by_port(network, at, *from, injection));
    KSMS_CHECK(go_through_xdp(network, at.netns, injection));
    return injection;
}

}  // namespace ksms
