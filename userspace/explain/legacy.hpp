// SPDX-License-Identifier: BSD-2-Clause
// iptables-legacy: its kernel side has no trace, but every rule has counters. Two listings, before
// and after a probe, tell which rule it met.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "explain/result.hpp"
#include "os/netns.hpp"

namespace ksms {

struct LegacyRule {
    std::uint64_t packets{0};
    std::string text;      ///< "-A FORWARD -p tcp -m tcp --dport 25 -j DROP"
    std::string target;    ///< of -j or -g; "" without one
    std::string protocol;  ///< of -p; "": any, or it is negated
    bool operator==(const LegacyRule&) const = default;
};
struct LegacyChain {
    std::string name;
    std::string policy;        ///< "ACCEPT", "DROP"; "-" of a user's chain
    std::uint64_t packets{0};  ///< that the policy decided on
    std::vector<LegacyRule> rules;
};
struct LegacyTable {
    std::string name;
    std::vector<LegacyChain> chains{};
    std::map<std::string, std::size_t, std::less<>> by_name{};  ///< index into `chains`
    [[nodiscard]] const LegacyChain* chain(std::string_view called) const;
};

/// The output of iptables-save -c.
[[nodiscard]] std::vector<LegacyTable> parse_legacy(std::string_view text);

/// What is there now. Only tables that the namespace has already are looked at: a look at any other
/// would make it.
/// @param family  AF_INET or AF_INET6
/// @return empty where there is none; Code::not_found where the tool is missing
Result<std::vector<LegacyTable>> read_legacy(const Netns& netns, int family);

/// Rules that drop or reject, and policies that drop, whose counters rose between the two.
/// @param hook      "FORWARD": only what this chain leads to; "": any
/// @param protocol  "tcp" or "udp": not those that are for another one
[[nodiscard]] std::vector<FirewallRule> risen(const std::vector<LegacyTable>& before,
                                              const std::vector<LegacyTable>& after,
                                              std::string_view hook, std::string_view protocol,
                                              int family);

}  // namespace ksms
