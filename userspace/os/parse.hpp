// SPDX-License-Identifier: BSD-2-Clause
// Parses one message of the kernel. Uses no socket. Returns nothing if the message is too short or
// of another type. For the files of this room and for tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "os/conntrack.hpp"
#include "os/firewall_rules.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/nftables.hpp"
#include "os/xfrm.hpp"

namespace ksms {

// rtnetlink; a neighbour's is parse_neighbour() in netlink.hpp
std::optional<Link> parse_link(const nlmsghdr* message);
std::optional<InterfaceAddress> parse_interface_address(const nlmsghdr* message);
std::optional<RouteAnswer> parse_route(const nlmsghdr* message);
std::optional<RoutingRule> parse_routing_rule(const nlmsghdr* message);
std::optional<Qdisc> parse_qdisc(const nlmsghdr* message);
/// Nothing for the head of a filter, which has no handle.
std::optional<Filter> parse_filter(const nlmsghdr* message, std::uint8_t direction);

// nf_tables
std::optional<NftChain> parse_nft_chain(const nlmsghdr* message);
std::optional<NftRule> parse_nft_rule(const nlmsghdr* message);
std::optional<NftTraceStep> parse_nft_step(const nlmsghdr* message);
/// A set whose elements have limits or quotas, a map to objects, or ports in a rule.
struct NftSet {
    std::uint8_t family{0};
    std::string table, name;
    nanoseconds interval{0};   ///< of the slowest of the limits
    bool quota{false};         ///< its elements have quotas
    std::uint32_t objects{0};  ///< of a map: of which type, NFT_OBJECT_…
    bool ports{false};         ///< `{ 22, 80-90 }` as it stands in a rule, maybe of ports
    bool spans{false};         ///< … and it has intervals
};
std::optional<NftSet> parse_nft_set(const nlmsghdr* message);
/// An element of a set of ports.
struct NftPortElement {
    std::uint16_t port{0};
    bool end{false};  ///< of an interval, which does not have it
};
std::vector<NftPortElement> parse_nft_ports(const nlmsghdr* message);
/// A limit with a name.
struct NftLimit {
    std::string table;  ///< with its family
    std::string name;
    nanoseconds interval{0};
    bool over{false};  ///< what is faster matches
};
std::optional<NftLimit> parse_nft_limit(const nlmsghdr* message);
/// What rules refer to.
struct NftSurroundings {
    std::vector<NftSet> sets;
    std::vector<NftLimit> limits;
};
/// Enters what a rule says about a scan.
void parse_nft_scan_rule(const nlmsghdr* message, int family, const NftSurroundings& around,
                         RuleBook& to);

// xfrm
/// Nothing for one of another direction.
std::optional<IpsecPolicy> parse_outgoing_policy(const nlmsghdr* message);

// iptables-legacy
/// @param entries  the entries of ipt_get_entries or ip6t_get_entries, without its head
FirewallRules parse_legacy_rules(std::span<const std::uint8_t> entries, int family);

// ctnetlink
/// The original tuple of an entry.
Flow original_of(const Attributes& entry, int family);

}  // namespace ksms
