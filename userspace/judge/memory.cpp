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

}  // namespace

MemoryDoubt::MemoryDoubt(const Plan& plan, std::uint32_t probe, const ProbeEvidence& evidence)
    : plan_(plan), service_(plan.numbers().service(probe)), met_(evidence.may_meet_memory()) {
    // What a source or a bridge counts has no clean state either.
    if (met_ || plan.turn_of(probe) == Turn::remembered)
        passed_by_ = changing(plan, evidence.probe);
    if (plan.isolated) pass_those_before(evidence.probe, probe);
}

/// Isolated: the routers that the packet has passed on its way to the probe's.
void MemoryDoubt::pass_those_before(std::uint32_t packet, std::uint32_t probe) {
    const auto numbers = plan_.numbers();
    for (auto entry = numbers.entry(packet); entry < numbers.entry(probe); ++entry) {
        const auto between = numbers.probe(entry, service_);
        if (!plan_.comes_before(between, probe)) continue;
        static_cast<void>(of_pass(plan_.paths[plan_.path_of[between]].hops.front().router));
    }
}

/// May a rule there have answered by what came before?
bool MemoryDoubt::meets(const PlanRouter& router) const {
    return met_ || (!router.counted_by_memory.empty() && router.counted_by_memory[service_]);
}

std::string_view MemoryDoubt::of_pass(std::size_t router) {
    const auto& at = plan_.routers[router];
    const auto rule = meets(at) ? passing(at, service_) : std::string_view();
    if (!rule.empty()) passed_by_ = rule;
    return passed_by_;
}

std::string_view MemoryDoubt::of_stop(std::size_t router, const Drop& drop) const {
    const auto& at = plan_.routers[router];
    // One that marks, or goes on elsewhere, may have led it to what is no firewall.
    const bool either = !passing(at, service_).empty();
    const auto here = meets(at) ? stopping(at, service_) : std::string_view();
    if (!here.empty() && (drop.count == 0 || drop.by_firewall() || either)) return here;
    return passed_by_;
}

}  // namespace ksms
