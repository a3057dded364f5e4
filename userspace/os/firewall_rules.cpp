// SPDX-License-Identifier: BSD-2-Clause
#include "os/firewall_rules.hpp"

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace ksms {

using namespace std::chrono_literals;

namespace {

template <typename Config>
void take_hashlimit(std::span<const std::uint8_t> info, std::size_t at, std::uint64_t scale,
                    RuleParts& rule) {
    const auto config = read_as<Config>(info, at);
    rule.by_source |= !config || (config->mode & XT_HASHLIMIT_HASH_SIP) != 0;
    rule.limits_slow |= config && (config->mode & XT_HASHLIMIT_INVERT) == 0;
    if (config && (config->mode & XT_HASHLIMIT_BYTES) == 0)
        rule.limit(interval_of(config->avg * (in_ns(1s) / scale)));
    else
        rule.guess();
}

void take_hashlimit(std::uint32_t revision, std::span<const std::uint8_t> info, RuleParts& rule) {
    switch (revision) {
        case 1:
            return take_hashlimit<hashlimit_cfg1>(info, offsetof(xt_hashlimit_mtinfo1, cfg),
                                                  XT_HASHLIMIT_SCALE, rule);
        case 2:
            return take_hashlimit<hashlimit_cfg2>(info, offsetof(xt_hashlimit_mtinfo2, cfg),
                                                  XT_HASHLIMIT_SCALE_v2, rule);
        case 3:
            return take_hashlimit<hashlimit_cfg3>(info, offsetof(xt_hashlimit_mtinfo3, cfg),
                                                  XT_HASHLIMIT_SCALE_v2, rule);
        default: rule.by_source = true; return rule.guess();
    }
}

template <typename Ports>
void take_ports(std::span<const std::uint8_t> info, std::uint8_t inverted, RuleParts& rule) {
    const auto match = read_as<Ports>(info);
    if (!match || (match->invflags & inverted) != 0) return;
    rule.services.first = match->dpts[0];
    rule.services.last = match->dpts[1];
}

void take_several_ports(std::span<const std::uint8_t> info, RuleParts& rule) {
    const auto match = read_as<xt_multiport_v1>(info);
    if (!match || match->invert != 0 || match->flags != XT_MULTIPORT_DESTINATION ||
        match->count == 0)
        return;
    auto& services = rule.services;
    services.only = multiport_spans(*match);
    services.first = std::ranges::min(services.only, {}, &PortSpan::first).first;
    services.last = std::ranges::max(services.only, {}, &PortSpan::last).last;
}

void take_recent(std::span<const std::uint8_t> info, RuleParts& rule) {
    const auto match =
        read_as<xt_recent_mtinfo>(info.first(std::min(info.size(), sizeof(xt_recent_mtinfo))));
    if (!match) {
        rule.remember();
        return;
    }
    const bool asks = (match->check_set & (XT_RECENT_CHECK | XT_RECENT_UPDATE)) != 0;
    // --update refreshes what is on the list, and enters nobody.
    const bool adds = (match->check_set & XT_RECENT_SET) != 0;
    const bool removes = (match->check_set & XT_RECENT_REMOVE) != 0;
    const std::string name(match->name, strnlen(match->name, sizeof match->name));
    rule.list({"recent " + name, adds, asks, removes});
}

/// Of the mark of a packet (xt_mark_mtinfo1) or of its connection, which has the same layout.
void take_mark(std::span<const std::uint8_t> info, RuleParts& rule) {
    const auto match = read_as<xt_mark_mtinfo1>(info);
    rule.asks_marked |= match && (match->mark != 0) == (match->invert == 0);
}

bool sets_mark(std::string_view target, std::span<const std::uint8_t> info) {
    if (target == "MARK") {
        const auto mark = read_as<xt_mark_tginfo2>(info);
        return mark && mark->mark != 0;
    }
    if (target != "CONNMARK") return false;
    const auto mark = read_as<xt_connmark_tginfo1>(info);
    return mark && mark->mode == XT_CONNMARK_SET && mark->ctmark != 0;
}

/// All sets of ipset count as one list: a set may be in others, and no rule says so.
constexpr const char* kIpset = "ipset";

/// Matches that look at a packet and its connection alone, or that are known for what they
/// remember.
constexpr std::string_view kForgetful[] = {
    "addrtype",  "ah",       "cgroup",    "cluster", "comment", "connbytes", "connlabel",
    "connlimit", "connmark", "conntrack", "cpu",     "dccp",    "devgroup",  "dscp",
    "dst",       "ecn",      "esp",       "eui64",   "frag",    "hashlimit", "hbh",
    "helper",    "hl",       "icmp",      "icmp6",   "ipcomp",  "iprange",   "ipv6header",
    "l2tp",      "length",   "limit",     "mac",     "mark",    "mh",        "multiport",
    "osf",       "owner",    "physdev",   "pkttype", "policy",  "realm",     "recent",
    "rpfilter",  "rt",       "sctp",      "set",     "socket",  "srh",       "state",
    "string",    "tcp",      "tcpmss",    "time",    "tos",     "ttl",       "u32",
    "udp",       "udplite"};

/// xt_set_info, with which every revision of the match and of the target begins.
std::optional<xt_set_info> set_in(std::span<const std::uint8_t> info, std::size_t which = 0) {
    return read_as<xt_set_info>(info, which * sizeof(xt_set_info));
}

/// The list of rules that mark what comes slowly, and of those that stop what has a mark. No set
/// has this name: those of nftables have more words.
constexpr const char* kMarked = "mark";

/// With a rule of each kind a burst passes and what comes alone does not. Enters that, and takes
/// the other rules of kMarked away.
void settle_marks(std::vector<ListRule>& lists) {
    const auto is_marked = [](const ListRule& rule) { return rule.list == kMarked; };
    const bool stopped = std::ranges::any_of(
        lists, [&](const ListRule& rule) { return is_marked(rule) && rule.stops; });
    std::erase_if(lists,
                  [&](const ListRule& rule) { return is_marked(rule) && !(stopped && rule.adds); });
    for (auto& rule : lists) {
        if (!is_marked(rule)) continue;
        rule.list.clear();
        rule.passes = true;
    }
}

}  // namespace

std::vector<PortSpan> multiport_spans(const xt_multiport_v1& match) {
    std::vector<PortSpan> ports;
    const std::size_t count = std::min<std::size_t>(match.count, XT_MULTI_PORTS);
    for (std::size_t i = 0; i < count; ++i) {
        const bool spans = match.pflags[i] != 0 && i + 1 < count;
        ports.push_back({match.ports[i], match.ports[spans ? i + 1 : i]});
        if (spans) ++i;
    }
    return ports;
}

nanoseconds interval_of(std::uint64_t ns) {
    constexpr std::chrono::years century{100};
    return std::min<nanoseconds>(from_ns(ns), century);
}

void take_xtables_match(std::string_view name, std::uint32_t revision,
                        std::span<const std::uint8_t> info, RuleParts& rule) {
    // The last three compare bytes anywhere in the packet.
    rule.reads_dscp |=
        name == "dscp" || name == "tos" || name == "u32" || name == "bpf" || name == "string";
    if (name == "tcp") take_ports<xt_tcp>(info, XT_TCP_INV_DSTPT, rule);
    if (name == "udp") take_ports<xt_udp>(info, XT_UDP_INV_DSTPT, rule);
    if (name == "multiport") take_several_ports(info, rule);
    if (name == "limit") {
        const auto limit = read_as<xt_rateinfo>(info);
        rule.limits_slow = true;
        if (limit)
            rule.limit(interval_of(limit->avg * (in_ns(1s) / XT_LIMIT_SCALE)));
        else
            rule.guess();
    }
    if (name == "hashlimit") take_hashlimit(revision, info, rule);
    if (name == "connlimit") {
        rule.by_source = true;
        rule.limit(kConnections);
    }
    if (name == "mark" || name == "connmark") take_mark(info, rule);
    if (name == "recent") take_recent(info, rule);
    if (name == "set") rule.list({kIpset, false, true});
    // Of others nobody knows what they remember.
    if (std::ranges::find(kForgetful, name) == std::end(kForgetful)) rule.remember();
}

void take_xtables_target(std::string_view name, std::span<const std::uint8_t> info,
                         RuleParts& rule) {
    static constexpr std::string_view only_note[] = {XT_ERROR_TARGET, "LOG",   "NFLOG", "ULOG",
                                                     "TRACE",         "AUDIT", "LED"};
    if (std::ranges::find(only_note, name) != std::end(only_note)) return;
    rule.effect = RuleEffect::either;
    rule.marks |= sets_mark(name, info);
    if (name == "REJECT") rule.effect = RuleEffect::stops;
    if (name == "SET")
        for (const std::size_t which : {0, 1})
            if (const auto set = set_in(info, which); set && set->index != IPSET_INVALID_ID)
                rule.list({kIpset, which == 0, false, which == 1});
    if (name == "DNAT" || name == "REDIRECT") rule.gives_port = ports_given(info);
    if (!name.empty()) return;
    // The standard target: -1 - verdict; otherwise it jumps, or returns.
    const auto verdict = read_as<int>(info);
    if (verdict == -1 - NF_DROP) rule.effect = RuleEffect::stops;
    if (verdict == -1 - NF_ACCEPT) rule.effect = RuleEffect::passes;
    if (verdict >= 0) rule.jumps_to = std::to_string(*verdict);
    rule.returns = verdict == XT_RETURN;
}

void RuleParts::add_to(FirewallRules& rules, const std::string& rule) const {
    const bool touches =
        std::ranges::any_of(lists, [](const List& list) { return list.adds || list.removes; });
    const bool matters = effect != RuleEffect::none || touches;
    const bool either = effect == RuleEffect::either;
    const bool stops = effect == RuleEffect::stops || either;
    if (interval > 0ns && matters)
        rules.limits.push_back({limited, interval, by_source, guessed, either, rule});
    // What comes alone it stops, and a burst passes.
    if (interval > 0ns && limits_slow && effect == RuleEffect::stops)
        rules.lists.push_back({limited, "", true, false, false, true, rule});
    if (interval > 0ns && limits_slow && marks)
        rules.lists.push_back({limited, kMarked, true, false, false, false, rule});
    if (asks_marked && stops)
        rules.lists.push_back({services, kMarked, false, false, true, false, rule});
    if (reads_dscp && matters) rules.dscp.push_back(services);
    if (synproxy) rules.synproxy.push_back(services);
    if (gives_port) rules.translations.push_back({services, *gives_port});
    for (const auto& list : lists) {
        if (list.adds || list.removes)
            rules.lists.push_back(
                {list.so_far, list.name, list.adds, list.removes, false, false, rule});
        // Whatever it does, rules behind it may do the opposite with what it does not match.
        if (list.asks && effect != RuleEffect::none)
            rules.lists.push_back({services, list.name, false, false, true, true, rule});
    }
}

Result<FirewallRules> firewall_rules(const Netns& netns, int family) {
    KSMS_TRY(auto rules, nft_scan_rules(netns, family));
    KSMS_CHECK(add_legacy_rules(netns, family, rules));
    settle_marks(rules.lists);
    return rules;
}

}  // namespace ksms
