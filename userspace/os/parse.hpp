// SPDX-License-Identifier: BSD-2-Clause
// One message of the kernel's -> a value. Knows no socket; nothing where the message is too short
// to have its fixed part, or is of another kind. For the files of this room and for tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "os/conntrack.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/nftables.hpp"
#include "os/rate_limit.hpp"

namespace ksms {

// rtnetlink; a neighbour's is parse_neighbour() in netlink.hpp
std::optional<Link> parse_link(const nlmsghdr* message);
std::optional<InterfaceAddress> parse_interface_address(const nlmsghdr* message);
std::optional<RouteAnswer> parse_route(const nlmsghdr* message);
std::optional<RoutingRule> parse_routing_rule(const nlmsghdr* message);
std::optional<Qdisc> parse_qdisc(const nlmsghdr* message);
/// Nothing for a filter's head, which has no handle.
std::optional<Filter> parse_filter(const nlmsghdr* message, std::uint8_t direction);

// nf_tables
std::optional<NftChain> parse_nft_chain(const nlmsghdr* message);
std::optional<NftRule> parse_nft_rule(const nlmsghdr* message);
std::optional<NftTraceStep> parse_nft_step(const nlmsghdr* message);
/// Nothing for a rule that limits no rate, or only notes something.
std::optional<RateLimit> parse_nft_limit(const nlmsghdr* message, int family);

// iptables-legacy
/// @param entries  what stands behind the head of ipt_get_entries or ip6t_get_entries
std::vector<RateLimit> parse_legacy_limits(std::span<const std::uint8_t> entries, int family);

// ctnetlink
/// The packet that made an entry.
Flow original_of(const Attributes& entry, int family);

}  // namespace ksms
