// SPDX-License-Identifier: BSD-2-Clause
#include "route/plan_parts.hpp"

#include <algorithm>

#include "base/dscp.hpp"
#include "ksms/abi.h"

namespace ksms {

PlanNetns plan_netns(const Network& network, std::size_t number) {
    const auto& netns = network.netns(number);
    return {number, netns.name(), netns.inode()};
}

std::vector<PlanNetns> namespaces_of(const Plan& plan) {
    std::vector<PlanNetns> all;
    std::set<std::size_t> known;
    const auto add = [&](const PlanNetns& netns) {
        if (known.insert(netns.number()).second) all.push_back(netns);
    };
    for (const auto& entry : plan.entries) add(entry.netns);
    for (const auto& router : plan.routers) add(router.netns);
    for (const auto& segment : plan.segments) add(segment);
    for (const auto& host : plan.destination_hosts) add(host);
    return all;
}

Result<std::vector<PlanInterface>> tap_interfaces(Network& network, std::size_t netns) {
    KSMS_TRY(const auto* interfaces, network.interfaces(netns));
    std::vector<PlanInterface> result;
    for (const auto& link : own_links(interfaces->links))
        result.push_back({link.ifindex, link.name});
    return result;
}

Result<PlanInterface> interface_of(Network& network, std::size_t netns, std::uint32_t ifindex) {
    KSMS_TRY(const auto* interfaces, network.interfaces(netns));
    const auto* link = interfaces->link(ifindex);
    if (link == nullptr) return PlanInterface{ifindex, {}};
    return PlanInterface{ifindex, link->name, is_tunnel(*link)};
}

std::uint64_t caught_dscps(const std::vector<RoutingRule>& rules) {
    std::uint64_t caught = 0;
    for (const auto& rule : rules) {
        if (rule.tos_mask == 0) continue;
        for (std::uint8_t dscp = 0; dscp < KSMS_DSCPS; ++dscp)
            if ((Dscp(dscp).tos() & rule.tos_mask) == (rule.tos & rule.tos_mask))
                caught |= std::uint64_t{1} << dscp;
    }
    return caught;
}

Status WaySurroundings::note(const Trace& trace) {
    for (const auto bridge : trace.bridges) {
        if (own_(bridge) || !bridges_.insert(bridge).second) continue;
        plan_.segments.push_back(plan_netns(network_, bridge));
    }
    if (trace.host && !trace.hops.empty()) KSMS_CHECK(note_host(*trace.host));
    for (const auto& next : trace.neighbours) KSMS_CHECK(note_neighbour(next));
    return {};
}

Status WaySurroundings::finish() {
    if (!hosts_.empty()) return {};
    KSMS_TRY(const auto host, host_of(network_, destination_));
    return host ? note_host(*host) : Status{};
}

Status WaySurroundings::note_host(std::size_t number) {
    if (!hosts_.insert(number).second) return {};
    KSMS_TRY(auto interfaces, tap_interfaces(network_, number));
    plan_.destination_hosts.push_back(plan_netns(network_, number));
    plan_.destination_interfaces.push_back(std::move(interfaces));
    return {};
}

Status WaySurroundings::note_neighbour(const Trace::NextHop& next) {
    KSMS_TRY(const auto* interfaces, network_.interfaces(next.netns));
    const auto* link = interfaces->link(next.ifindex);
    if (link == nullptr || link->no_arp || link->loopback || !own_(next.netns)) return {};
    const bool known = std::ranges::any_of(plan_.neighbours, [&](const PlanNeighbour& each) {
        return each.netns.number() == next.netns && each.interface.ifindex == next.ifindex &&
               each.address == next.address;
    });
    if (known) return {};
    plan_.neighbours.push_back({plan_netns(network_, next.netns),
                                {next.ifindex, link->name},
                                next.address,
                                next.address == destination_,
                                next.nobody});
    return {};
}

}  // namespace ksms
