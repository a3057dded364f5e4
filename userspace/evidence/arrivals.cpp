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

/// On the way, of the routers that two probes are given to.
bool Arrivals::is_before(std::uint32_t one, std::uint32_t other) const {
    const auto numbers = plan_.numbers();
    return plan_.entries[numbers.entry(one)].injection->hop <
           plan_.entries[numbers.entry(other)].injection->hop;
}

/// Or was dropped in front of its taps. Not where there was no room: the next one may pass.
bool Arrivals::came_to(const PlanHop& place, std::uint32_t probe) const {
    const auto slot = slots_.router_slots[place.router];
    const auto in = store_.counter(slot, KSMS_INGRESS, probe);
    if (in.packets > 0) return in.ifindex == place.ingress.ifindex;
    const auto drop = store_.drop(slot, probe);
    return drop.count > 0 && !names_.meaning(drop.reason).no_room;
}

bool Arrivals::is_changed(std::uint32_t probe) const {
    return std::ranges::any_of(slots_.router_slots, [&](std::size_t slot) {
        return (store_.counter(slot, KSMS_EGRESS, probe).flags &
                (KSMS_SEEN_REMARKED | KSMS_SEEN_TRANSLATED)) != 0;
    });
}

Arrivals::Given Arrivals::given_to(std::uint32_t probe) const {
    if (!plan_.isolated || place(probe) == nullptr) return {probe};
    const auto numbers = plan_.numbers();
    const auto service = numbers.service(probe);
    std::vector<std::uint32_t> given;  // to routers that no earlier probe came to
    for (std::size_t entry = 0; entry < numbers.entry(probe); ++entry) {
        const auto earlier = numbers.probe(entry, service);
        if (place(earlier) == nullptr || !is_before(earlier, probe)) continue;
        const bool replaced = std::ranges::any_of(given, [&](std::uint32_t each) {
            return is_before(each, earlier) && came_to(*place(earlier), each);
        });
        if (replaced) continue;
        if (came_to(*place(probe), earlier)) return {earlier};
        given.push_back(earlier);
    }
    return {probe, std::ranges::any_of(given, [this](auto each) { return is_changed(each); })};
}

}  // namespace ksms
