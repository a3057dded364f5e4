// SPDX-License-Identifier: BSD-2-Clause
// nf_tables: chains, rules, and the trace of a packet (linux/netfilter/nf_tables.h). Includes
// iptables-nft.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "os/netlink.hpp"
#include "os/netns.hpp"

namespace ksms {

/// Whether nf_tables is in the running kernel. Check it before any call below, which would load the
/// module.
[[nodiscard]] bool nftables_loaded();

/// Is the module loaded? One that is built in is not seen here.
[[nodiscard]] bool module_loaded(const char* name);
/// Whether the kernel's own BTF names the function, which a module's does in a file of its own
/// (Documentation/bpf/btf.rst). Looks at the names alone, which takes a millisecond. True if they
/// cannot be read.
[[nodiscard]] bool is_built_in(const std::string& function);

struct NftChain {
    int family{0};  ///< NFPROTO_INET, NFPROTO_IPV4, …
    std::string table, name;
    bool base{false};       ///< bound to a hook; hook and priority are set
    std::uint32_t hook{0};  ///< NF_INET_PRE_ROUTING, …
    std::int32_t priority{0};
};
/// Every chain of a namespace.
/// @param netfilter  Netlink::open_netfilter()
Result<std::vector<NftChain>> nft_chains(Netlink& netfilter);

struct NftRule {
    std::uint64_t handle{0};
    bool rejects{false};     ///< it sends an ICMP error or a RST
    bool compatible{false};  ///< it has an iptables match or target (xt)
};
/// The rules of a chain in their order.
Result<std::vector<NftRule>> nft_rules(Netlink& netfilter, const NftChain& chain);

/// "inet", "ip", "ip6", "netdev", "bridge", "arp".
[[nodiscard]] std::string nft_family_name(int family);

/// Packets to trace.
struct NftTraceMatch {
    std::uint8_t protocol{0};         ///< IPPROTO_TCP or IPPROTO_UDP
    std::uint32_t offset{0};          ///< from the transport header
    std::vector<std::uint8_t> bytes;  ///< at that offset
};

/// One message of a trace: a rule that matched, or the policy at a chain's end.
struct NftTraceStep {
    enum class Kind { rule, policy, leave };
    std::uint32_t packet{0};  ///< the same for all steps of a packet
    int family{0};
    std::string table, chain;
    Kind kind{Kind::rule};
    std::uint64_t handle{0};
    int verdict{0};      ///< NF_DROP, NF_ACCEPT, NFT_JUMP, …; for a policy, the policy
    std::string target;  ///< of a jump or goto
    bool operator==(const NftTraceStep&) const = default;
};

/// A table that traces matching packets, and the socket that receives the trace. The table belongs
/// to a socket (NFT_TABLE_F_OWNER, Linux 5.12): the kernel removes it when the socket is closed.
class NftTrace {
public:
    /// @param matches  traces packets that match any of these
    static Result<NftTrace> start(const Netns& netns, const std::vector<NftTraceMatch>& matches);
    /// Ends the trace and removes the table.
    /// @return the steps of the traced packets in order, without our own table; an error if
    /// messages were lost, because traces of other users fill the buffer too
    Result<std::vector<NftTraceStep>> finish();
    /// The name of our table.
    static std::string table_name();

private:
    NftTrace(Netlink owner, Netlink listener)
        : owner_(std::move(owner)), listener_(std::move(listener)) {}
    std::optional<Netlink> owner_;
    Netlink listener_;
};

}  // namespace ksms
