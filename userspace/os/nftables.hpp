// SPDX-License-Identifier: BSD-2-Clause
// nf_tables as the kernel tells of it: chains, rules, and the trace of a packet
// (linux/netfilter/nf_tables.h). iptables-nft is nf_tables too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "os/netlink.hpp"
#include "os/netns.hpp"

namespace ksms {

/// Is nf_tables in the running kernel? Asked before any of the calls below, which would load the
/// module.
[[nodiscard]] bool nftables_loaded();

struct NftChain {
    int family{0};  ///< NFPROTO_INET, NFPROTO_IPV4, …
    std::string table, name;
    bool base{false};       ///< bound to a hook; the two below are set
    std::uint32_t hook{0};  ///< NF_INET_PRE_ROUTING, …
    std::int32_t priority{0};
};
/// Every chain of a namespace.
/// @param netfilter  Netlink::open_netfilter()
Result<std::vector<NftChain>> nft_chains(Netlink& netfilter);

struct NftRule {
    std::uint64_t handle{0};
    bool rejects{false};     ///< it answers with an ICMP error or a RST
    bool compatible{false};  ///< it has a match or a target of iptables
};
/// The rules of a chain in their order.
Result<std::vector<NftRule>> nft_rules(Netlink& netfilter, const NftChain& chain);

/// "inet", "ip", "ip6", "netdev", "bridge", "arp".
[[nodiscard]] std::string nft_family_name(int family);

/// What a packet must be for the trace.
struct NftTraceMatch {
    std::uint8_t protocol{0};         ///< IPPROTO_TCP or IPPROTO_UDP
    std::uint32_t offset{0};          ///< from the transport header on
    std::vector<std::uint8_t> bytes;  ///< that stand there
};

/// One message of a trace: a rule that matched, or the policy at a chain's end.
struct NftTraceStep {
    enum class Kind { rule, policy, leave };
    std::uint32_t packet{0};  ///< the same for all of one packet
    int family{0};
    std::string table, chain;
    Kind kind{Kind::rule};
    std::uint64_t handle{0};
    int verdict{0};      ///< NF_DROP, NF_ACCEPT, NFT_JUMP, …; of a policy, what it says
    std::string target;  ///< of a jump or goto
    bool operator==(const NftTraceStep&) const = default;
};

/// A table of our own that has matching packets traced, and the socket that hears of it. The table
/// belongs to a socket (NFT_TABLE_F_OWNER, Linux 5.12): the kernel removes it when that is closed,
/// whoever dies.
class NftTrace {
public:
    /// @param matches  any of them is enough
    static Result<NftTrace> start(const Netns& netns, const std::vector<NftTraceMatch>& matches);
    /// Ends it: the table is gone afterwards.
    /// @return what the traced packets met, in order, without our own table; an error where the
    /// kernel had more to say than there was room for: somebody else's packets are traced too
    Result<std::vector<NftTraceStep>> finish();
    /// The name of the table.
    static std::string table_name();

private:
    NftTrace(Netlink owner, Netlink listener)
        : owner_(std::move(owner)), listener_(std::move(listener)) {}
    std::optional<Netlink> owner_;
    Netlink listener_;
};

}  // namespace ksms
