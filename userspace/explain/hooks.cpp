// SPDX-License-Identifier: BSD-2-Clause
#include "explain/hooks.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "explain/culprit.hpp"

namespace ksms {
namespace {

/// Drop reasons between PREROUTING and the next hook: no route, invalid addresses, expired TTL. The
/// checks of ip_forward() and ip6_forward() precede FORWARD.
constexpr std::array kBeforeForward{"IP_INNOROUTES",  "IP_INHDR",          "IP_RPFILTER",
                                    "IP_LOCALNET",    "IP_LOCAL_SOURCE",   "IP_INADDRERRORS",
                                    "IP_OUTNOROUTES", "IP_INVALID_SOURCE", "IP_INVALID_DEST"};
constexpr std::array kForwarding{"ip_forward", "ip6_forward"};
constexpr const char* kRouting = "routing";

bool is_local(const HopReport& hop) {
    return hop.answer.notes.has(Note::local) || hop.drop.hook == "INPUT" ||
           (hop.route && hop.route->type == "local");
}

std::vector<std::string> hooks_of(const HopReport& hop) {
    if (hop.hop == 0) return {kRouting, "OUTPUT", "POSTROUTING", "egress"};
    if (is_local(hop)) return {"ingress", "PREROUTING", kRouting, "INPUT"};
    return {"ingress", "PREROUTING", kRouting, "FORWARD", "POSTROUTING", "egress"};
}

/// The line of the output for a netfilter hook.
std::string line_of(const std::string& hook) {
    return hook == "INGRESS" ? "ingress" : hook == "EGRESS" ? "egress" : hook;
}

/// The line at which it was dropped; "": not known.
std::string dropped_at(const HopReport& hop) {
    const auto is = [](const auto& words, const std::string& said) {
        return std::ranges::find(words, said) != words.end();
    };
    if (hop.rule && !hop.rule->hook.empty()) return line_of(hop.rule->hook);
    const auto& reason = hop.drop.reason;
    if (is(kBeforeForward, reason) || is(kForwarding, hop.drop.place)) return kRouting;
    if (reason == "TC_INGRESS" || reason == "XDP") return "ingress";
    if (reason == "TC_EGRESS" || reason == "QDISC_DROP") return "egress";
    if (!hop.drop.hook.empty()) return line_of(hop.drop.hook);
    if (hop.route && !hop.route->error.empty()) return kRouting;
    return hop.answer.egress_packets > 0 ? "egress" : "";
}

Passage passage(const HopReport& hop, std::ptrdiff_t at, std::ptrdiff_t dropped) {
    if (hop.answer.result == Verdict::yes) return Passage::passed;
    if (hop.answer.stopped_before()) return Passage::not_reached;
    if (hop.answer.result == Verdict::unknown || dropped < 0) return Passage::not_known;
    if (at == dropped) return Passage::dropped;
    return at < dropped ? Passage::passed : Passage::not_reached;
}

HookReport report_of(const HopReport& hop, const std::string& hook, Passage passage) {
    HookReport report;
    report.hook = hook;
    report.passage = passage;
    const auto& answer = hop.answer;
    if (hook == "ingress") {
        report.device = hop.ingress_iface;
        report.packets = answer.ingress_packets;
        report.bytes = answer.ingress_bytes;
        if (answer.ingress_packets > 0 && passage == Passage::not_known)
            report.passage = Passage::passed;
    }
    if (hook == "egress") {
        report.device = hop.iface;
        if (hop.hop == 0) return report;
        report.packets = answer.egress_packets;
        report.bytes = answer.egress_bytes;
    }
    return report;
}

}  // namespace

void add_hooks(HopReport& hop, const Watch* watch) {
    const auto names = hooks_of(hop);
    const auto found = std::ranges::find(names, dropped_at(hop));
    const auto dropped = hop.answer.result == Verdict::no && found != names.end()
                             ? found - names.begin()
                             : std::ptrdiff_t{-1};
    std::vector<FirewallRule> chains;
    if (watch != nullptr) chains = passed_chains(*watch);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto at = passage(hop, static_cast<std::ptrdiff_t>(i), dropped);
        if (names[i] == kRouting) {
            if (hop.route) hop.route->taken = at == Passage::passed || at == Passage::dropped;
            continue;
        }
        auto report = report_of(hop, names[i], at);
        std::ranges::copy_if(
            chains, std::back_inserter(report.chains),
            [&](const FirewallRule& rule) { return line_of(rule.hook) == names[i]; });
        if (!report.chains.empty() && report.passage == Passage::not_known)
            report.passage = Passage::passed;
        hop.hooks.push_back(std::move(report));
    }
}

}  // namespace ksms
