// SPDX-License-Identifier: BSD-2-Clause
#include "judge/trail_rows.hpp"

#include <algorithm>
#include <string>

namespace ksms {
namespace {

struct Place {
    std::string router, iface;
};

std::string interface_name(const std::vector<PlanInterface>& interfaces, std::uint32_t ifindex) {
    const auto found = std::ranges::find(interfaces, ifindex, &PlanInterface::ifindex);
    return found == interfaces.end() ? std::to_string(ifindex) : found->name;
}

Place place_of(const Plan& plan, const TrailEvent& event) {
    for (const auto& router : plan.routers)
        if (router.netns.inode() == event.netns)
            return {router.netns.name(), interface_name(router.interfaces, event.ifindex)};
    for (const auto& entry : plan.entries)
        if (entry.netns.inode() == event.netns)
            return {entry.netns.name(), interface_name(entry.interfaces, event.ifindex)};
    for (std::size_t i = 0; i < plan.destination_hosts.size(); ++i)
        if (plan.destination_hosts[i].inode() == event.netns)
            return {plan.destination_hosts[i].name(),
                    interface_name(plan.destination_interfaces[i], event.ifindex)};
    for (const auto& segment : plan.segments)
        if (segment.inode() == event.netns) return {segment.name(), std::to_string(event.ifindex)};
    return {std::to_string(event.netns), std::to_string(event.ifindex)};
}

bool is_on(const OwnWay& way, const TrailEvent& event) {
    return std::ranges::any_of(way.visits, [&](const Visit& visit) {
        return std::ranges::any_of(visit.events, [&](const TrailEvent& own) {
            return own.packet == event.packet && own.at == event.at && own.kind == event.kind;
        });
    });
}

}  // namespace

ProbeTrail rows_of(const Plan& plan, std::uint32_t probe, const Trail& trail, const OwnWay& way) {
    ProbeTrail result;
    result.service = static_cast<std::uint32_t>(plan.numbers().service(probe));
    result.entry = plan.entries[plan.numbers().entry(probe)].name();
    for (const auto& event : trail) {
        auto [router, iface] = place_of(plan, event);
        result.rows.push_back({event.at - trail.front().at, std::move(router), std::move(iface),
                               event.kind, !is_on(way, event), event.wrapped, event.dscp,
                               event.source, event.destination, site_of(event.drop)});
    }
    return result;
}

}  // namespace ksms
