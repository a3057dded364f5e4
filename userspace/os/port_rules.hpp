// SPDX-License-Identifier: BSD-2-Clause
// Which destination ports the firewall rules of a namespace tell apart: nftables, iptables-nft,
// iptables-legacy. Each rule is read, whatever chain it is in and whether or not a packet comes
// there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/firewall_rules.hpp"
#include "os/netns.hpp"

struct nlattr;
struct nlmsghdr;

namespace ksms {

struct XtTable;

/// A rule's question about a packet: is its destination port one of these?
struct PortQuestion {
    std::uint8_t protocol{0};  ///< of the packets that it asks about; 0: of all
    std::vector<PortSpan> ports;
    auto operator<=>(const PortQuestion&) const = default;
};

struct PortRules {
    std::vector<PortQuestion> questions;
    /// A rule that may tell ports apart in a way that could not be read, for people: "inet t f
    /// handle 7"; "": there is none.
    std::string unread;
};

/// @param family  AF_INET or AF_INET6
Result<PortRules> port_rules(const Netns& netns, int family);

/// Has the namespace virtual services of IPVS, which has a table of ports of its own?
Result<bool> has_ipvs_services(const Netns& netns);
/// Is ebtables in the running kernel? Asking it for a table would make one.
[[nodiscard]] bool ebtables_loaded();

// For the files of this room, and for tests.

/// A set of nftables, or a map.
struct NftSetShape {
    std::uint8_t family{0};
    std::string table, name;
    std::uint32_t key_length{0}, data_length{0};
    bool plain{false};      ///< it has no data: all its elements mean the same
    bool intervals{false};  ///< an element begins an interval, or ends one
    bool concatenated{false};
};
std::optional<NftSetShape> parse_nft_shape(const nlmsghdr* message);
using NftSets = std::map<std::string, NftSetShape>;  ///< by nft_key()

/// A rule looks into this set; the port stands there in the key.
struct NftPortLookup {
    std::string set;  ///< its nft_key()
    std::uint32_t offset{0};
    std::uint8_t protocol{0};
    bool operator==(const NftPortLookup&) const = default;
};
struct NftPortRule {
    std::vector<PortQuestion> questions;
    std::vector<NftPortLookup> lookups;
    bool unread{false};
};
/// Reads the expressions of a rule.
/// @param table  nft_key() of its table
/// @param list  NFTA_RULE_EXPRESSIONS
NftPortRule read_nft_ports(const nlattr* list, int family, const std::string& table,
                           const NftSets& sets);

/// An element of a set of nftables, as the kernel keeps its key.
struct NftKey {
    std::vector<std::uint8_t> first, last;  ///< `last` is empty where the element is one key
    bool end{false};                        ///< of an interval, which does not have it
};
void parse_nft_keys(const nlmsghdr* message, std::vector<NftKey>& to);
/// What a lookup into a set with these elements asks.
std::vector<PortQuestion> questions_of(const NftSetShape& set, const std::vector<NftKey>& keys,
                                       const NftPortLookup& lookup);

/// Adds what the rules of a table of iptables-legacy ask.
void add_legacy_ports(const XtTable& table, int family, PortRules& to);

/// Reads a match or target of xtables.
/// @return false: it may tell ports apart in another way
bool take_xtables_ports(std::string_view match, std::uint32_t revision,
                        std::span<const std::uint8_t> info, std::vector<PortQuestion>& to);
bool is_portless_target(std::string_view target, std::span<const std::uint8_t> info);

}  // namespace ksms
