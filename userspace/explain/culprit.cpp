// SPDX-License-Identifier: BSD-2-Clause
#include "explain/culprit.hpp"

#include <fmt/format.h>
#include <linux/netfilter.h>

#include <algorithm>

#include "explain/nft_path.hpp"

namespace ksms {
namespace {

/// Kernel functions that drop packets for a firewall. With NF_DROP_REASON nf_tables frees the
/// packet in nft_do_chain; other firewalls, and nf_tables of older kernels, let nf_hook_slow free
/// it.
constexpr std::string_view kNftables = "nft_do_chain";
constexpr std::string_view kOthers = "nf_hook_slow";

std::vector<FirewallRule> described(const Watch& watch, const std::vector<NftDecision>& decisions) {
    std::vector<FirewallRule> found;
    auto netfilter = Netlink::open_netfilter(watch.netns());
    if (!netfilter) return found;
    NftRules rules(watch.netns(), *netfilter, watch.chains());
    for (const auto& decision : decisions) found.push_back(rules.describe(decision));
    return found;
}

/// "table netdev fw, chain in; …": the base chains of devices.
std::string device_chains(const Watch& watch, std::uint32_t hook) {
    std::vector<std::string> names;
    for (const auto& chain : watch.chains())
        if (chain.base && chain.family == NFPROTO_NETDEV && chain.hook == hook)
            names.push_back(fmt::format("table netdev {}, chain {}", chain.table, chain.name));
        else if (chain.base && chain.family == NFPROTO_INET && chain.hook == NF_INET_INGRESS &&
                 hook == NF_NETDEV_INGRESS)
            names.push_back(fmt::format("table inet {}, chain {}", chain.table, chain.name));
    return fmt::format("{}", fmt::join(names, "; "));
}

std::string why_not(const Watch& watch, const KernelDrop& drop) {
    if (drop.hook == "INGRESS")
        return "an nftables rule at the device did it, in front of what the kernel's trace sees: " +
               device_chains(watch, NF_NETDEV_INGRESS);
    if (drop.place == kNftables)
        return watch.no_trace().empty()
                   ? std::string(
                         "an nftables rule did it, and the kernel's trace does not tell which")
                   : "an nftables rule did it, and there is no trace: " + watch.no_trace();
    if (!watch.no_trace().empty())
        return "a firewall's rule did it, and there is no trace of nftables: " + watch.no_trace();
    if (!watch.no_counters().empty())
        return "an iptables-legacy rule did it, and its counters cannot be read: " +
               watch.no_counters();
    if (watch.before().empty())
        return "no nftables rule, and there is no table of iptables-legacy: another part of "
               "netfilter did it";
    return "no nftables rule, and no iptables-legacy rule that drops or rejects has counted it";
}

}  // namespace

Culprit find_culprit(const Watch& watch, const KernelDrop& drop, std::string_view protocol,
                     int family) {
    auto decisions = nft_decisions(watch.steps(), watch.chains());
    std::erase_if(decisions, [](const NftDecision& each) { return !is_drop(each); });
    if (!decisions.empty()) return {described(watch, {decisions.back()}), ""};
    const bool firewall =
        drop.reason == "NETFILTER_DROP" || drop.place == kNftables || drop.place == kOthers;
    if (!firewall) return {};
    Culprit culprit;
    const bool at_device = drop.hook == "INGRESS" || drop.hook == "EGRESS";
    if (drop.place != kNftables && !at_device)
        culprit.rules = risen(watch.before(), watch.after(), drop.hook, protocol, family);
    if (culprit.rules.empty()) culprit.why = why_not(watch, drop);
    if (culprit.rules.size() > 1)
        culprit.why = fmt::format(
            "other traffic is about: {} rules that drop or reject counted while the probe passed",
            culprit.rules.size());
    return culprit;
}

std::vector<FirewallRule> in_both(const std::vector<FirewallRule>& a,
                                  const std::vector<FirewallRule>& b) {
    std::vector<FirewallRule> both;
    std::ranges::copy_if(a, std::back_inserter(both), [&](const FirewallRule& rule) {
        return std::ranges::any_of(b, [&](const FirewallRule& other) {
            return rule.table == other.table && rule.chain == other.chain &&
                   rule.number == other.number && rule.policy == other.policy;
        });
    });
    return both;
}

std::vector<FirewallRule> passed_chains(const Watch& watch) {
    std::vector<NftDecision> decisions;
    for (const auto& each : nft_decisions(watch.steps(), watch.chains())) {
        const bool told = std::ranges::find(decisions, each) != decisions.end();
        if (!told && !is_drop(each) && each.base_known) decisions.push_back(each);
    }
    return described(watch, decisions);
}

}  // namespace ksms
