// SPDX-License-Identifier: BSD-2-Clause
#include "os/nftables.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "os/list.hpp"
#include "os/message.hpp"
#include "os/parse.hpp"

namespace ksms {

std::optional<NftChain> parse_nft_chain(const nlmsghdr* message) {
    const auto info = fixed_part<nfgenmsg>(message);
    if (!info) return std::nullopt;
    const Attributes attributes(message, sizeof *info, NFTA_CHAIN_MAX);
    NftChain chain;
    chain.family = info->nfgen_family;
    chain.table = attributes.text(NFTA_CHAIN_TABLE);
    chain.name = attributes.text(NFTA_CHAIN_NAME);
    const auto* hook = attributes[NFTA_CHAIN_HOOK];
    if (hook == nullptr) return chain;
    const Attributes of_hook(hook, NFTA_HOOK_MAX);
    chain.base = true;
    chain.hook = of_hook.be32(NFTA_HOOK_HOOKNUM);
    chain.priority = static_cast<std::int32_t>(of_hook.be32(NFTA_HOOK_PRIORITY));
    return chain;
}

std::optional<NftRule> parse_nft_rule(const nlmsghdr* message) {
    const Attributes attributes(message, sizeof(nfgenmsg), NFTA_RULE_MAX);
    NftRule rule;
    rule.handle = attributes.be64(NFTA_RULE_HANDLE);
    for_each_attribute(attributes[NFTA_RULE_EXPRESSIONS], [&rule](const nlattr* each) {
        const Attributes expression(each, NFTA_EXPR_MAX);
        const auto name = expression.text(NFTA_EXPR_NAME);
        const Attributes data(expression[NFTA_EXPR_DATA], NFTA_TARGET_MAX);
        if (name == "reject" || (name == "target" && data.text(NFTA_TARGET_NAME) == "REJECT"))
            rule.rejects = true;
        if (name == "match" || name == "target") rule.compatible = true;
    });
    return rule;
}

bool nftables_loaded() {
    if (access("/sys/module/nf_tables", F_OK) == 0 || errno != ENOENT) return true;
    // Built into the kernel it has no directory there. Symbols of a module end with its name.
    static const bool built_in = [] {
        std::ifstream symbols("/proc/kallsyms");
        for (std::string line; std::getline(symbols, line);)
            if (line.ends_with(" nft_do_chain")) return true;
        return !symbols.eof();
    }();
    return built_in;
}

Result<std::vector<NftChain>> nft_chains(Netlink& netfilter) {
    Message message(nft_message(NFT_MSG_GETCHAIN), 0);
    message.fixed<nfgenmsg>().nfgen_family = NFPROTO_UNSPEC;
    return list(netfilter, message, "list the nftables chains of " + netfilter.netns(),
                parse_nft_chain);
}

Result<std::vector<NftRule>> nft_rules(Netlink& netfilter, const NftChain& chain) {
    Message message(nft_message(NFT_MSG_GETRULE), 0);
    message.fixed<nfgenmsg>().nfgen_family = static_cast<__u8>(chain.family);
    message.put_text(NFTA_RULE_TABLE, chain.table);
    message.put_text(NFTA_RULE_CHAIN, chain.name);
    return list(netfilter, message, "list the nftables rules of " + netfilter.netns(),
                parse_nft_rule);
}

std::string nft_family_name(int family) {
    switch (family) {
        case NFPROTO_INET: return "inet";
        case NFPROTO_IPV4: return "ip";
        case NFPROTO_IPV6: return "ip6";
        case NFPROTO_NETDEV: return "netdev";
        case NFPROTO_BRIDGE: return "bridge";
        case NFPROTO_ARP: return "arp";
        default: return {};
    }
}

}  // namespace ksms
