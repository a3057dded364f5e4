// SPDX-License-Identifier: BSD-2-Clause
#include "judge/memory.hpp"

#include <cstdint>
#include <vector>

namespace ksms {
namespace {

std::string_view rule_of(const PlanRouter& router, const std::vector<std::uint8_t>& numbers,
                         std::size_t service) {
    if (numbers.empty() || numbers[service] == 0) return {};
    return router.memories[numbers[service] - 1U];
}

}  // namespace

std::string_view memory_that_passes(const PlanRouter& router, std::size_t service) {
    return rule_of(router, router.passed_by_memory, service);
}

std::string_view memory_that_stops(const PlanRouter& router, std::size_t service, const Drop& drop,
                                   std::string_view before) {
    // One that marks, or goes on elsewhere, may have led it to what is no firewall.
    const bool either = !memory_that_passes(router, service).empty();
    const auto here = rule_of(router, router.stopped_by_memory, service);
    if (!here.empty() && (drop.count == 0 || drop.by_firewall() || either)) return here;
    return before;
}

}  // namespace ksms
