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

std::string_view passing(const PlanRouter& router, std::size_t service) {
    return rule_of(router.memories, router.passed_by_memory, service);
}

std::string_view stopping(const PlanRouter& router, std::size_t service) {
    return rule_of(router.memories, router.stopped_by_memory, service);
}

/// The rule of a source or a bridge that may have made another packet of it. In isolated mode also
/// of a router that may have stopped the probe of an earlier one, which would have come as another
/// packet.
/// @param packet  whose packets were seen, see ProbeEvidence::probe
std::string_view changing(const Plan& plan, std::uint32_t packet) {
    const auto numbers = plan.numbers();
    const auto service = numbers.service(packet);
    const auto changes = rule_of(plan.changing, plan.changed, service);
    if (!changes.empty() || !plan.isolated) return changes;
    for (std::size_t entry = 0; entry < numbers.entry(packet); ++entry) {
        const auto earlier = numbers.probe(entry, service);
        if (!plan.comes_before(earlier, packet)) continue;
        const auto& hops = plan.paths[plan.path_of[earlier]].hops;
        const auto rule = stopping(plan.routers[hops.front().router], service);
        if (!rule.empty()) return rule;
    }
    return {};
}

/// Isolated: the rule of a router by which the packet may have passed it on its way to the probe's.
std::string_view passing_before(const Plan& plan, std::uint32_t packet, std::uint32_t probe) {
    std::string_view rule;
    if (!plan.isolated) return rule;
    const auto numbers = plan.numbers();
    const auto service = numbers.service(probe);
    for (auto entry = numbers.entry(packet); entry < numbers.entry(probe); ++entry) {
        const auto between = numbers.probe(entry, service);
        if (!plan.comes_before(between, probe)) continue;
        const auto& hops = plan.paths[plan.path_of[between]].hops;
        const auto passes = passing(plan.routers[hops.front().router], service);
        if (!passes.empty()) rule = passes;
    }
    return rule;
}

}  // namespace

MemoryDoubt::MemoryDoubt(const Plan& plan, std::uint32_t probe, const ProbeEvidence& evidence)
    : plan_(plan), service_(plan.numbers().service(probe)), met_(evidence.may_meet_memory()) {
    if (!met_) return;
    changed_ = changing(plan, evidence.probe);
    passed_by_ = passing_before(plan, evidence.probe, probe);
    if (passed_by_.empty()) passed_by_ = changed_;
}

std::string_view MemoryDoubt::of_pass(std::size_t router) {
    if (!met_) return {};
    const auto rule = passing(plan_.routers[router], service_);
    if (!rule.empty()) passed_by_ = rule;
    return passed_by_;
}

std::string_view MemoryDoubt::of_stop(std::size_t router, const Drop& drop) const {
    if (!met_) return {};
    // One that marks, or goes on elsewhere, may have led it to what is no firewall.
    const bool either = !passing(plan_.routers[router], service_).empty();
    const auto here = stopping(plan_.routers[router], service_);
    if (!here.empty() && (drop.count == 0 || drop.by_firewall() || either)) return here;
    return passed_by_;
}

}  // namespace ksms
