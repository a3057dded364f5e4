// SPDX-License-Identifier: BSD-2-Clause
#include "explain/legacy.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "os/tool.hpp"

namespace ksms {
namespace {

/// "[12:720]" -> 12
std::uint64_t packets_of(std::string_view text) {
    std::uint64_t packets = 0;
    if (text.starts_with('[')) text.remove_prefix(1);
    std::from_chars(text.data(), text.data() + text.size(), packets);
    return packets;
}

/// Splits a rule into words. A quoted string (a comment) is one word.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words(1);
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && quoted && at + 1 < text.size())
            words.back() += text[++at];
        else if (text[at] == '"')
            quoted = !quoted;
        else if (text[at] == ' ' && !quoted)
            words.emplace_back();
        else
            words.back() += text[at];
    }
    return words;
}

LegacyRule parse_rule(std::string_view line, std::string& chain) {
    LegacyRule rule;
    if (line.starts_with('[')) {
        rule.packets = packets_of(line);
        line.remove_prefix(std::min(line.find(' ') + 1, line.size()));
    }
    rule.text = line;
    const auto words = words_of(line);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const auto& next = words[i + 1];
        if (words[i] == "-A" && i == 0) chain = next;
        if (words[i] == "-j" || words[i] == "-g") rule.target = next;
        if (words[i] == "-p" && (i == 0 || words[i - 1] != "!")) rule.protocol = next;
    }
    return rule;
}

/// The chains that are reachable from this one, including itself.
std::set<std::string> reachable(const LegacyTable& table, std::string_view from) {
    std::set<std::string> found;
    std::vector<std::string> open{std::string(from)};
    while (!open.empty()) {
        const auto name = open.back();
        open.pop_back();
        const auto* chain = table.chain(name);
        if (chain == nullptr || !found.insert(name).second) continue;
        for (const auto& rule : chain->rules) open.push_back(rule.target);
    }
    return found;
}

/// Compares the counters of a table before and after the probe.
class Comparison {
public:
    Comparison(const LegacyTable& before, const LegacyTable& after, int family)
        : before_(before), after_(after), family_(family == AF_INET6 ? "ip6" : "ip") {}

    void add(std::string_view hook, std::string_view protocol,
             std::vector<FirewallRule>& into) const {
        for (const auto& base : after_.chains) {
            if (base.policy == "-" || (!hook.empty() && base.name != hook)) continue;
            for (const auto& name : reachable(after_, base.name)) {
                const auto* now = after_.chain(name);
                const auto* then = before_.chain(name);
                // A change of the rules meanwhile has reset the counters.
                if (then == nullptr || then->rules.size() != now->rules.size()) continue;
                add_chain(*then, *now, base.name, protocol, into);
            }
        }
    }

private:
    void add_chain(const LegacyChain& then, const LegacyChain& now, const std::string& hook,
                   std::string_view protocol, std::vector<FirewallRule>& into) const {
        for (std::size_t i = 0; i < now.rules.size(); ++i) {
            const auto& rule = now.rules[i];
            const bool ends = rule.target == "DROP" || rule.target == "REJECT";
            const bool others =
                !rule.protocol.empty() && rule.protocol != protocol && rule.protocol != "all";
            if (!ends || others || rule.text != then.rules[i].text ||
                rule.packets <= then.rules[i].packets)
                continue;
            auto found = named(now.name, hook);
            found.number = static_cast<std::uint32_t>(i + 1);
            found.verdict = rule.target == "DROP" ? "drop" : "reject";
            found.text = rule.text;
            found.jumps = jumps_to(now.name, hook);
            keep(std::move(found), into);
        }
        if (now.policy != "DROP" || now.name != hook || now.packets <= then.packets) return;
        auto found = named(now.name, hook);
        found.policy = true;
        found.verdict = "drop";
        found.text = fmt::format("-P {} DROP", now.name);
        keep(std::move(found), into);
    }

    FirewallRule named(const std::string& chain, const std::string& hook) const {
        FirewallRule rule;
        rule.firewall = Firewall::iptables_legacy;
        rule.family = family_;
        rule.table = after_.name;
        rule.chain = chain;
        rule.hook = hook;
        return rule;
    }

    /// Adds a rule. If two hooks lead to its chain, it is listed once without a hook.
    static void keep(FirewallRule rule, std::vector<FirewallRule>& into) {
        const auto same = std::ranges::find_if(into, [&](const FirewallRule& other) {
            return other.table == rule.table && other.chain == rule.chain &&
                   other.number == rule.number && other.policy == rule.policy;
        });
        if (same == into.end())
            into.push_back(std::move(rule));
        else if (same->hook != rule.hook)
            same->hook.clear(), same->jumps.clear();
    }

    /// The jumps from the hook's chain to this one, if exactly one rule counted at each step.
    std::vector<FirewallRule> jumps_to(std::string chain, const std::string& hook) const {
        std::vector<FirewallRule> jumps;
        while (chain != hook && jumps.size() < after_.chains.size()) {
            std::vector<FirewallRule> found;
            for (const auto& each : after_.chains) add_jumps(each, chain, hook, found);
            if (found.size() != 1) return {};
            chain = found.front().chain;
            jumps.insert(jumps.begin(), std::move(found.front()));
        }
        return jumps;
    }

    void add_jumps(const LegacyChain& from, const std::string& target, const std::string& hook,
                   std::vector<FirewallRule>& into) const {
        const auto* then = before_.chain(from.name);
        if (then == nullptr || then->rules.size() != from.rules.size()) return;
        for (std::size_t i = 0; i < from.rules.size(); ++i) {
            if (from.rules[i].target != target || from.rules[i].packets <= then->rules[i].packets)
                continue;
            auto jump = named(from.name, hook);
            jump.number = static_cast<std::uint32_t>(i + 1);
            jump.verdict = "jump";
            jump.text = from.rules[i].text;
            into.push_back(std::move(jump));
        }
    }

    const LegacyTable& before_;
    const LegacyTable& after_;
    std::string family_;
};

}  // namespace

const LegacyChain* LegacyTable::chain(std::string_view called) const {
    const auto found = by_name.find(called);
    return found == by_name.end() ? nullptr : &chains[found->second];
}

std::vector<LegacyTable> parse_legacy(std::string_view text) {
    std::vector<LegacyTable> tables;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('*')) {
            tables.push_back({line.substr(1)});
        } else if (tables.empty()) {
            continue;
        } else if (line.starts_with(':')) {
            std::istringstream words(line.substr(1));
            LegacyChain chain;
            std::string counters;
            words >> chain.name >> chain.policy >> counters;
            chain.packets = packets_of(counters);
            auto& table = tables.back();
            if (table.by_name.emplace(chain.name, table.chains.size()).second)
                table.chains.push_back(std::move(chain));
        } else if (line.starts_with('[') || line.starts_with("-A ")) {
            std::string name;
            auto rule = parse_rule(line, name);
            auto& table = tables.back();
            const auto chain = table.by_name.find(name);
            if (chain != table.by_name.end())
                table.chains[chain->second].rules.push_back(std::move(rule));
        }
    }
    return tables;
}

Result<std::vector<LegacyTable>> read_legacy(const Netns& netns, int family) {
    const bool ipv6 = family == AF_INET6;
    std::vector<std::string> names;
    // /proc/thread-self: /proc/net is that of the main thread.
    KSMS_CHECK(in_netns(netns, [&]() -> Status {
        const auto path = fmt::format("/proc/thread-self/net/{}_tables_names", ipv6 ? "ip6" : "ip");
        std::ifstream list(path);
        if (!list && errno != ENOENT) return fail_errno(errno, "read " + path);
        for (std::string name; std::getline(list, name);) names.push_back(name);
        return {};
    }));
    std::vector<LegacyTable> tables;
    const auto* tool = ipv6 ? "ip6tables-legacy-save" : "iptables-legacy-save";
    for (const auto& name : names) {
        KSMS_TRY(const auto text, run_tool(netns, {tool, "-c", "-t", name}));
        for (auto& table : parse_legacy(text)) tables.push_back(std::move(table));
    }
    return tables;
}

std::vector<FirewallRule> risen(const std::vector<LegacyTable>& before,
                                const std::vector<LegacyTable>& after, std::string_view hook,
                                std::string_view protocol, int family) {
    std::vector<FirewallRule> found;
    for (const auto& now : after) {
        const auto then = std::ranges::find(before, now.name, &LegacyTable::name);
        if (then != before.end()) Comparison(*then, now, family).add(hook, protocol, found);
    }
    return found;
}

}  // namespace ksms
