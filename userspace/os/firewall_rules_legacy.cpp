// SPDX-License-Identifier: BSD-2-Clause
// What the rules of iptables-legacy say about a scan.
#include <utility>

#include "os/firewall_rules.hpp"
#include "os/parse.hpp"
#include "os/xtables.hpp"

namespace ksms {
namespace {

void take_table(const XtTable& table, int family, FirewallRules& to) {
    RuleBook book;
    for (const auto& each : xt_rules(table, family)) {
        if (!each.whole) continue;
        RuleParts rule;
        rule.services.protocol = each.protocol;
        for (const auto& match : each.matches)
            take_xtables_match(match.name, match.revision, match.info, rule);
        take_xtables_target(each.target.name, each.target.info, rule);
        rule.comes_back = !each.goes;
        book.add(each.chain, std::move(rule), each.text);
    }
    book.enter_into(to);
}

}  // namespace

FirewallRules parse_legacy_rules(std::span<const std::uint8_t> entries, int family) {
    FirewallRules rules;
    take_table({"", {}, {entries.begin(), entries.end()}}, family, rules);
    return rules;
}

Status add_legacy_rules(const Netns& netns, int family, FirewallRules& to) {
    KSMS_TRY(const auto tables, xt_tables(netns, family));
    for (const auto& table : tables) take_table(table, family, to);
    return {};
}

}  // namespace ksms
