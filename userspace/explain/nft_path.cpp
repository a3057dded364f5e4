// SPDX-License-Identifier: BSD-2-Clause
#include "explain/nft_path.hpp"

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <sstream>

#include "os/tool.hpp"

namespace ksms {
namespace {

using Kind = NftTraceStep::Kind;

const char* hook_of(const NftChain& chain) {
    static constexpr std::array names{"PREROUTING", "INPUT",       "FORWARD",
                                      "OUTPUT",     "POSTROUTING", "INGRESS"};
    if (chain.family == NFPROTO_NETDEV)
        return chain.hook == NF_NETDEV_INGRESS ? "INGRESS" : "EGRESS";
    return chain.hook < names.size() ? names[chain.hook] : "";
}

const NftChain* base_of(const std::vector<NftChain>& chains, const NftTraceStep& step) {
    const auto found = std::ranges::find_if(chains, [&](const NftChain& chain) {
        return chain.base && chain.family == step.family && chain.table == step.table &&
               chain.name == step.chain;
    });
    return found == chains.end() ? nullptr : &*found;
}

/// Whether the traversal of a base chain ends here.
bool decides(const NftTraceStep& step) {
    return step.kind == Kind::policy || (step.kind == Kind::rule && step.verdict >= 0);
}

bool drops(const NftTraceStep& step) {
    return decides(step) && step.verdict == NF_DROP;
}

/// The jumps from the base chain to the deciding rule, found backwards.
std::vector<NftTraceStep> jumps_to(const std::vector<NftTraceStep>& walk) {
    std::vector<NftTraceStep> jumps;
    auto chain = walk.back().chain;
    for (const auto& step : std::views::reverse(walk)) {
        const bool leads = step.verdict == NFT_JUMP || step.verdict == NFT_GOTO;
        if (step.kind != Kind::rule || !leads || step.target != chain) continue;
        jumps.insert(jumps.begin(), step);
        chain = step.chain;
    }
    return jumps;
}

std::vector<NftDecision> decisions_of(const std::vector<NftTraceStep>& steps,
                                      const std::vector<NftChain>& chains) {
    std::vector<NftDecision> found;
    std::vector<NftTraceStep> walk;
    for (const auto& step : steps) {
        walk.push_back(step);
        if (!decides(step)) continue;
        NftDecision decision;
        decision.step = step;
        decision.jumps = jumps_to(walk);
        const auto& first = decision.jumps.empty() ? step : decision.jumps.front();
        if (const auto* base = base_of(chains, first)) {
            decision.hook = hook_of(*base);
            decision.base_known = true;
        }
        found.push_back(std::move(decision));
        walk.clear();
    }
    return found;
}

/// Whether it is one word of the nft language (`string` of its scanner). nft joins its arguments
/// and parses them as a script, so another name could contain commands.
bool is_nft_word(std::string_view name) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.";
    constexpr std::string_view more = "0123456789/-";
    return !name.empty() && letters.find(name.front()) != std::string_view::npos &&
           std::ranges::all_of(name, [&](char c) {
               return letters.find(c) != std::string_view::npos ||
                      more.find(c) != std::string_view::npos;
           });
}

/// Whether iptables takes it for a name.
bool is_no_option(std::string_view name) {
    return !name.empty() && name.front() != '-' && name.front() != '!';
}

const char* verdict_name(const NftTraceStep& step) {
    switch (step.verdict) {
        case NF_DROP: return "drop";
        case NF_ACCEPT: return "accept";
        case NF_STOLEN: return "stolen";
        case NF_QUEUE: return "queue";
        case NFT_JUMP: return "jump";
        case NFT_GOTO: return "goto";
        default: return "";
    }
}

}  // namespace

bool is_drop(const NftDecision& decision) {
    return drops(decision.step);
}

std::vector<NftDecision> nft_decisions(const std::vector<NftTraceStep>& steps,
                                       const std::vector<NftChain>& chains) {
    if (steps.empty()) return {};
    const auto dropped = std::ranges::find_if(steps.rbegin(), steps.rend(), drops);
    const auto packet = dropped == steps.rend() ? steps.back().packet : dropped->packet;
    std::vector<NftTraceStep> one;
    std::ranges::copy_if(steps, std::back_inserter(one),
                         [packet](const NftTraceStep& step) { return step.packet == packet; });
    return decisions_of(one, chains);
}

std::string text_by_handle(const std::string& listing, std::uint64_t handle) {
    std::istringstream lines(listing);
    std::string rule;
    const auto end = fmt::format(" # handle {}", handle);
    const auto blanks = " \t";
    for (std::string line; std::getline(lines, line);) {
        const auto begin = line.find_first_not_of(blanks);
        if (begin == std::string::npos) continue;
        line = line.substr(begin);
        // Skip the heads of tables and chains and the line of the hook.
        const bool head = line.starts_with("table ") || line.starts_with("chain ") ||
                          (line.starts_with("type ") && line.find(" hook ") != std::string::npos);
        if (head) {
            rule.clear();
            continue;
        }
        rule += (rule.empty() ? "" : " ") + line;
        if (rule.ends_with(end)) return rule.substr(0, rule.size() - end.size());
        if (rule.find(" # handle ") != std::string::npos) rule.clear();
    }
    return {};
}

/// iptables-nft has tables with fixed names, whose base chains are named after the hooks.
bool NftRules::is_iptables(const NftTraceStep& step) const {
    static constexpr std::array tables{"filter", "nat", "mangle", "raw", "security"};
    if (step.family != NFPROTO_IPV4 && step.family != NFPROTO_IPV6) return false;
    if (std::ranges::find(tables, step.table) == tables.end()) return false;
    return std::ranges::all_of(chains_, [&](const NftChain& chain) {
        return !chain.base || chain.family != step.family || chain.table != step.table ||
               chain.name == hook_of(chain);
    });
}

void NftRules::number(FirewallRule& rule, const NftTraceStep& step) {
    const auto rules = nft_rules(netfilter_, {step.family, step.table, step.chain});
    if (!rules) return;
    const auto found = std::ranges::find(*rules, step.handle, &NftRule::handle);
    if (found == rules->end()) return;
    rule.number = static_cast<std::uint32_t>(found - rules->begin() + 1);
    if (found->rejects && rule.verdict == "drop") rule.verdict = "reject";
    if (found->compatible && rule.firewall == Firewall::nftables)
        rule.firewall = Firewall::iptables_nft;
}

void NftRules::add_text(FirewallRule& rule) {
    if (rule.firewall == Firewall::iptables_nft && rule.number && is_no_option(rule.table) &&
        is_no_option(rule.chain)) {
        const auto* tool = rule.family == "ip6" ? "ip6tables-nft" : "iptables-nft";
        auto text = run_tool(
            netns_, {tool, "-t", rule.table, "-S", rule.chain, std::to_string(*rule.number)});
        if (text && text->starts_with("-A ")) {
            while (text->ends_with('\n')) text->pop_back();
            rule.text = *text;
            return;
        }
    }
    if (!is_nft_word(rule.table) || !is_nft_word(rule.chain)) return;
    const auto listing =
        run_tool(netns_, {"nft", "-a", "list", "chain", rule.family, rule.table, rule.chain});
    if (listing) rule.text = text_by_handle(*listing, *rule.handle);
}

FirewallRule NftRules::rule_of(const NftTraceStep& step, const std::string& hook) {
    FirewallRule rule;
    rule.firewall = is_iptables(step) ? Firewall::iptables_nft : Firewall::nftables;
    rule.family = nft_family_name(step.family);
    rule.table = step.table;
    rule.chain = step.chain;
    rule.policy = step.kind == NftTraceStep::Kind::policy;
    rule.verdict = verdict_name(step);
    rule.hook = hook;
    if (rule.policy) {
        rule.text = fmt::format("policy {}", rule.verdict);
        return rule;
    }
    rule.handle = step.handle;
    number(rule, step);
    add_text(rule);
    return rule;
}

FirewallRule NftRules::describe(const NftDecision& decision) {
    auto rule = rule_of(decision.step, decision.hook);
    for (const auto& jump : decision.jumps) rule.jumps.push_back(rule_of(jump, decision.hook));
    return rule;
}

}  // namespace ksms
