// SPDX-License-Identifier: BSD-2-Clause
#include "judge/network_question.hpp"

#include <algorithm>

namespace ksms {
namespace {

/// Where a planned way ends with the probe in somebody's hands.
bool hands_over(PathEnd end) {
    return end == PathEnd::destination || end == PathEnd::leaves_machine ||
           end == PathEnd::no_next_hop || end == PathEnd::link_down || end == PathEnd::onward;
}

}  // namespace

Departure departure_from(std::size_t router, std::uint32_t service, const RouterEvidence& seen,
                         std::uint8_t dscp) {
    Departure departure{router, service, seen.in.ifindex, seen.out.ifindex, dscp, false, {}};
    if (seen.in.packets > 0) departure.dscp = seen.in.seen_dscp;
    departure.remarked = seen.out.remarked;
    if (seen.out.destination_translated)
        departure.to = Endpoint{seen.out.destination, seen.out.destination_port};
    return departure;
}

bool left_as_planned(const PlanPath& path, std::size_t router, const RouterEvidence& seen) {
    if (seen.out.destination_translated || path.hops.empty() || !hands_over(path.end)) return false;
    return path.hops.back().router == router && path.hops.back().egress.ifindex == seen.out.ifindex;
}

const RouterEvidence* last_to_see(const ProbeEvidence& evidence) {
    const auto first = [](const RouterEvidence& router) {
        if (router.in.packets > 0) return router.in.first;
        return router.out.packets > 0 ? router.out.first : Instant{};
    };
    const auto last = std::ranges::max_element(evidence.routers, {}, first);
    return last == evidence.routers.end() ? nullptr : &*last;
}

}  // namespace ksms
