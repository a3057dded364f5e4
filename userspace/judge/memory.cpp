// SPDX-License-Identifier: BSD-2-Clause
#include "judge/memory.hpp"

#include <cstdint>
#include <vector>

namespace ksms {
namespace {

std::string_view rule_of(const std::vector<std::string>& rules,
                         const std::vector<std::uint8_t>& numbers, std::size_t service) {
    if (numbers.empty() || numbers[service] == 0) return {};
    return rules[numbers[service] - 1U];
}

}  // namespace

std::string_view memory_that_changes(const Plan& plan, std::size_t service) {
    return rule_of(plan.changing, plan.changed, service);
}

std::string_view memory_that_passes(const PlanRouter& router, std::size_t service) {
    return rule_of(router.memories, router.passed_by_memory, service);
}

std::string_view memory_before(const Plan& plan, std::size_t packet, std::size_t probe) {
    const auto numbers = plan.numbers();
    const auto service = numbers.service(probe);
    auto rule = memory_that_changes(plan, service);
    if (!plan.isolated) return rule;
    for (auto entry = numbers.entry(packet); entry < numbers.entry(probe); ++entry)
        for (const auto& hop : plan.paths[plan.path_of[numbers.probe(entry, service)]].hops)
            if (const auto passes = memory_that_passes(plan.routers[hop.router], service);
                !passes.empty())
                rule = passes;
    return rule;
}

std::string_view memory_that_stops(const PlanRouter& router, std::size_t service, const Drop& drop,
                                   std::string_view before) {
    // One that marks, or goes on elsewhere, may have led it to what is no firewall.
    const bool either = !memory_that_passes(router, service).empty();
    const auto here = rule_of(router.memories, router.stopped_by_memory, service);
    if (!here.empty() && (drop.count == 0 || drop.by_firewall() || either)) return here;
    return before;
}

}  // namespace ksms
