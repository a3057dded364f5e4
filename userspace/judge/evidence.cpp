// SPDX-License-Identifier: BSD-2-Clause
#include "judge/evidence.hpp"

#include <algorithm>

namespace ksms {

void ProbeEvidence::forget_sights() {
    std::ranges::fill(routers, RouterEvidence{});
    destination = {};
    destination_drop = {};
    destination_reply = {};
}

bool ProbeEvidence::may_meet_memory() const {
    auto last = std::max(
        {source.last, destination.last, source_drop.at, segment_drop.at, destination_drop.at});
    for (const auto& router : routers)
        last = std::max({last, router.in.last, router.out.last, router.drop.at});
    return last >= remembered_from;
}

void ProbeEvidence::begin_at(std::size_t router) {
    if (!routers[router].touched()) return forget_sights();
    const auto from = routers[router].first_touch();
    for (std::size_t i = 0; i < routers.size(); ++i)
        if (i != router && (!routers[i].touched() || routers[i].first_touch() < from))
            routers[i] = {};
}

}  // namespace ksms
