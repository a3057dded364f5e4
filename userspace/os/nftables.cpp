// SPDX-License-Identifier: BSD-2-Clause
#include "os/nftables.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/btf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "os/list.hpp"
#include "os/message.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

/// One of the names, each of which ends with a NUL?
bool has_name(std::string_view names, const std::string& name) {
    // With the NUL behind it; the one before it is in front of every name, too much to look at.
    const std::string_view end(name.c_str(), name.size() + 1);
    for (auto rest = names; !rest.empty();) {
        const auto* found =
            static_cast<const char*>(memmem(rest.data(), rest.size(), end.data(), end.size()));
        if (found == nullptr) return false;
        if (found == names.data() || found[-1] == '\0') return true;
        rest.remove_prefix(static_cast<std::size_t>(found - rest.data()) + 1);
    }
    return false;
}

}  // namespace

bool is_built_in(const std::string& function) {
    const Fd btf(open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC));
    btf_header head{};
    if (!btf || pread(btf.get(), &head, sizeof head, 0) != sizeof head || head.magic != BTF_MAGIC)
        return true;
    const std::size_t begin = head.hdr_len + head.str_off, whole = begin + head.str_len;
    // Linux 6.16 maps it; sysfs reads a page at a time.
    if (void* all = mmap(nullptr, whole, PROT_READ, MAP_PRIVATE, btf.get(), 0); all != MAP_FAILED) {
        const Defer unmap([&] { munmap(all, whole); });
        return has_name({static_cast<const char*>(all) + begin, head.str_len}, function);
    }
    std::string names(head.str_len, '\0');
    for (std::size_t at = 0; at < names.size();) {
        const auto got =
            pread(btf.get(), names.data() + at, names.size() - at, static_cast<off_t>(begin + at));
        if (got <= 0) return true;
        at += static_cast<std::size_t>(got);
    }
    return has_name(names, function);
}

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

bool module_loaded(const char* name) {
    return access(fmt::format("/sys/module/{}", name).c_str(), F_OK) == 0 || errno != ENOENT;
}

bool nftables_loaded() {
    // Built into the kernel it has no directory there.
    if (module_loaded("nf_tables")) return true;
    static const bool built_in = is_built_in("nft_do_chain");
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
