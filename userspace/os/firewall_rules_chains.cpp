// SPDX-License-Identifier: BSD-2-Clause
// What a rule does that jumps to another chain.
#include "os/firewall_rules.hpp"

namespace ksms {
namespace {

RuleEffect both(RuleEffect one, RuleEffect other) {
    if (one == other || other == RuleEffect::none) return one;
    return one == RuleEffect::none ? other : RuleEffect::either;
}

}  // namespace

void RuleBook::add(const std::string& chain, RuleParts rule, const std::string& for_people) {
    // A return decides nothing in its own chain but that the rules behind it are passed over.
    if (!rule.returns) chains_[chain].push_back({rule.effect, rule.jumps_to, rule.comes_back});
    if (rule.is_special()) special_.emplace_back(std::move(rule), for_people);
}

RuleEffect RuleBook::effect_in(const std::string& chain) {
    // One that leads back to itself, which the kernel refuses, ends here.
    const auto [known, fresh] = effects_.try_emplace(chain, RuleEffect::either);
    if (!fresh) return known->second;
    auto effect = RuleEffect::none;
    for (const auto& each : chains_[chain]) effect = both(effect, effect_of(each));
    return effects_[chain] = effect;
}

RuleEffect RuleBook::effect_of(const Step& step) {
    if (step.jumps_to.empty()) return step.effect;
    const auto effect = effect_in(step.jumps_to);
    // What the chain does not decide the rules behind a goto do not see.
    return effect == RuleEffect::none && !step.comes_back ? RuleEffect::either : effect;
}

std::set<std::string> RuleBook::port_sets() const {
    std::set<std::string> sets;
    for (const auto& [rule, for_people] : special_)
        if (!rule.lists.empty() && !rule.port_set.empty()) sets.insert(rule.port_set);
    return sets;
}

void RuleBook::enter_into(FirewallRules& rules, const PortSets& ports_of) {
    const auto narrow = [&](const std::string& set, ServiceRange& services) {
        if (const auto found = ports_of.find(set); found != ports_of.end())
            services.only = found->second;
    };
    for (auto& [rule, for_people] : special_) {
        narrow(rule.port_set, rule.services);
        for (auto& list : rule.lists) narrow(list.ports_so_far, list.so_far);
        rule.effect = effect_of({rule.effect, rule.jumps_to, rule.comes_back});
        rule.add_to(rules, for_people);
    }
}

}  // namespace ksms
