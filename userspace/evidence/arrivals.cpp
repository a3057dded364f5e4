// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/arrivals.hpp"

#include <algorithm>
#include <vector>

namespace ksms {

/// Where it is given to a router; none where its service does not go by there.
const PlanHop* Arrivals::place(std::uint32_t probe) const {
    const auto& hops = plan_.paths[plan_.path_of[probe]].hops;
    return hops.empty() ? nullptr : &hops.front();
}

std::uint32_t Arrivals::hop(std::uint32_t probe) const {
    return plan_.entries[plan_.numbers().entry(probe)].injection->hop;
}

/// Or was dropped in front of its taps. Not where there was no room: the next one may pass.
bool Arrivals::came_to(std::uint32_t router_of, std::uint32_t probe) const {
    const auto &there = *place(router_of), &begun = *place(probe);
    const auto slot = slots_.router_slots[there.router];
    const auto in = store_.counter(slot, KSMS_INGRESS, probe);
    // It was given to the same router where the way comes back to it.
    if (in.packets > 0) return begun.router != there.router || in.ifindex == there.ingress.ifindex;
    const auto drop = store_.drop(slot, probe);
    return drop.count > 0 && !names_.meaning(drop.reason).no_room;
}

/// It left the router before: what is between takes it, or leads it elsewhere. Within another
/// packet no tap sees it leave.
bool Arrivals::was_sent_to(std::uint32_t router_of, std::uint32_t probe) const {
    const auto numbers = plan_.numbers();
    for (std::size_t entry = 0; entry < plan_.entries.size(); ++entry) {
        const auto before = numbers.probe(entry, numbers.service(probe));
        if (!plan_.comes_before(before, router_of) || hop(before) + 1 != hop(router_of)) continue;
        const auto& from = *place(before);
        const auto slot = slots_.router_slots[from.router];
        const auto left = from.egress.tunnel ? KSMS_INGRESS : KSMS_EGRESS;
        if (store_.counter(slot, left, probe).packets > 0 && store_.drop(slot, probe).count == 0)
            return true;
    }
    return false;
}

bool Arrivals::is_changed(std::uint32_t probe) const {
    // Another DSCP is another packet only to who looks at it.
    const bool looks = !plan_.dscp_filtered.empty() || plan_.routed_dscps != 0;
    int changes = KSMS_SEEN_TRANSLATED;
    if (looks) changes |= KSMS_SEEN_REMARKED;
    const auto has = [&](std::size_t slot, ksms_direction direction) {
        return (store_.counter(slot, direction, probe).flags & changes) != 0;
    };
    // A bridge changes it in front of the router's own tap.
    return std::ranges::any_of(slots_.router_slots, [&](std::size_t slot) {
        return has(slot, KSMS_INGRESS) || has(slot, KSMS_EGRESS);
    });
}

Arrivals::Given Arrivals::given_to(std::uint32_t probe) const {
    if (!plan_.isolated || place(probe) == nullptr) return {probe};
    const auto numbers = plan_.numbers();
    const auto service = numbers.service(probe);
    std::vector<std::uint32_t> given;  // to routers that no earlier probe came to
    for (std::size_t entry = 0; entry < numbers.entry(probe); ++entry) {
        const auto earlier = numbers.probe(entry, service);
        if (!plan_.comes_before(earlier, probe)) continue;
        const bool replaced = std::ranges::any_of(given, [&](std::uint32_t each) {
            return hop(each) < hop(earlier) && came_to(earlier, each);
        });
        if (replaced) continue;
        if (came_to(probe, earlier)) return {earlier};
        given.push_back(earlier);
    }
    const auto sent = std::ranges::find_if(
        given, [&](std::uint32_t earlier) { return was_sent_to(probe, earlier); });
    if (sent != given.end()) return {*sent};
    return {probe, std::ranges::any_of(given, [this](auto each) { return is_changed(each); })};
}

}  // namespace ksms
