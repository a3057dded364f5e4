// SPDX-License-Identifier: BSD-2-Clause
#include "scan/judge_context.hpp"

namespace ksms {

JudgeContext context_beforehand(const Plan& plan, const std::vector<NeighbourState>& neighbours,
                                std::uint8_t carried, bool drops_seen) {
    JudgeContext context;
    context.dscp = carried;
    context.drops_seen = drops_seen;
    context.source_gateway_missing.assign(plan.entries.size(), false);
    for (std::size_t i = 0; i < plan.neighbours.size(); ++i) {
        const auto state = neighbours[i];
        if (state == NeighbourState::resolved) continue;
        const auto& neighbour = plan.neighbours[i];
        for (std::size_t router = 0; router < plan.routers.size(); ++router) {
            if (plan.routers[router].netns != neighbour.netns) continue;
            auto& into = state == NeighbourState::faked ? context.faked_neighbours
                                                        : context.missing_gateways;
            into.insert({router, neighbour.interface.ifindex});
        }
        for (std::size_t entry = 0; entry < plan.entries.size(); ++entry)
            if (state == NeighbourState::missing && plan.entries[entry].netns == neighbour.netns)
                context.source_gateway_missing[entry] = true;
    }
    return context;
}

}  // namespace ksms
