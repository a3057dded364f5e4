// SPDX-License-Identifier: BSD-2-Clause
// What a rule does that jumps to another chain, and which services come there.
#include <algorithm>
#include <optional>
#include <utility>

#include "os/firewall_rules.hpp"

namespace ksms {
namespace {

/// Ways to one chain; more count as one for all services.
constexpr std::size_t kMostWays = 16;

std::optional<PortSpan> in_both(const PortSpan& one, const PortSpan& other) {
    const PortSpan both{std::max(one.first, other.first), std::min(one.last, other.last)};
    return both.first > both.last ? std::nullopt : std::optional(both);
}

std::optional<ServiceRange> in_both(const ServiceRange& one, const ServiceRange& other) {
    if (one.protocol != 0 && other.protocol != 0 && one.protocol != other.protocol)
        return std::nullopt;
    const auto ports = in_both(PortSpan{one.first, one.last}, PortSpan{other.first, other.last});
    if (!ports) return std::nullopt;
    ServiceRange both{std::max(one.protocol, other.protocol), ports->first, ports->last};
    if (one.only.empty() && other.only.empty()) return both;
    const std::vector<PortSpan> whole{*ports};
    for (const auto& each : one.only.empty() ? whole : one.only)
        for (const auto& other_each : other.only.empty() ? whole : other.only)
            if (const auto span = in_both(each, other_each))
                if (const auto inside = in_both(*span, *ports)) both.only.push_back(*inside);
    return both.only.empty() ? std::nullopt : std::optional(std::move(both));
}

RuleEffect both(RuleEffect one, RuleEffect other) {
    if (one == other || other == RuleEffect::none) return one;
    return one == RuleEffect::none ? other : RuleEffect::either;
}

}  // namespace

void RuleBook::add(const std::string& chain, RuleParts rule, const std::string& for_people) {
    // A return decides nothing in its own chain but that the rules behind it are passed over.
    if (!rule.returns) chains_[chain].push_back({rule.effect, rule.jumps_to, rule.comes_back});
    jumps_anywhere_ |= rule.jumps_anywhere;
    if (!rule.jumps_to.empty())
        jumps_to_[rule.jumps_to].push_back({chain, rule.services, rule.port_set});
    if (rule.is_special()) special_.push_back({chain, std::move(rule), for_people});
}

std::vector<ServiceRange> RuleBook::coming_to(const std::string& chain, const Narrow& narrow) {
    const auto jumps = jumps_to_.find(chain);
    if (jumps_anywhere_ || jumps == jumps_to_.end()) return {{}};
    // One that leads back to itself, which the kernel refuses, ends here.
    const auto [known, fresh] = coming_.try_emplace(chain, 1);
    if (!fresh) return known->second;
    std::vector<ServiceRange> all;
    for (auto jump : jumps->second) {
        narrow(jump.port_set, jump.services);
        for (const auto& each : coming_to(jump.from, narrow))
            if (const auto both = in_both(each, jump.services);
                both && std::ranges::find(all, *both) == all.end())
                all.push_back(*both);
    }
    if (all.size() > kMostWays) all.assign(1, {});
    return coming_[chain] = std::move(all);
}

std::optional<RuleParts> RuleParts::among(const ServiceRange& some) const {
    const auto all = in_both(services, some);
    if (!all) return std::nullopt;
    auto part = *this;
    part.services = *all;
    // What comes to a statement is more than what comes to the end of the rule.
    part.limited = in_both(limited, some).value_or(*all);
    for (auto& list : part.lists) list.so_far = in_both(list.so_far, some).value_or(*all);
    return part;
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
    const bool lists =
        std::ranges::any_of(special_, [](const Special& each) { return !each.rule.lists.empty(); });
    if (!lists) return sets;
    for (const auto& each : special_) sets.insert(each.rule.port_set);
    for (const auto& [chain, jumps] : jumps_to_)
        for (const auto& jump : jumps) sets.insert(jump.port_set);
    sets.erase("");
    return sets;
}

void RuleBook::enter_into(FirewallRules& rules, const PortSets& ports_of) {
    const Narrow narrow = [&](const std::string& set, ServiceRange& services) {
        if (const auto found = ports_of.find(set); found != ports_of.end())
            services.only = found->second;
    };
    for (auto& [chain, rule, for_people] : special_) {
        narrow(rule.port_set, rule.services);
        for (auto& list : rule.lists) narrow(list.ports_so_far, list.so_far);
        rule.effect = effect_of({rule.effect, rule.jumps_to, rule.comes_back});
        for (const auto& each : coming_to(chain, narrow))
            if (const auto part = rule.among(each)) part->add_to(rules, for_people);
    }
}

}  // namespace ksms
