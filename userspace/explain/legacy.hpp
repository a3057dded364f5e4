// SPDX-License-Identifier: BSD-2-Clause
// iptables-legacy has no trace that we can read, but every rule has counters. Two listings, before
// and after a probe, show which rule it matched.
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
    std::string target;    ///< of -j or -g; "": none
    std::string protocol;  ///< of -p; "": any, or negated
    bool operator==(const LegacyRule&) const = default;
};
struct LegacyChain {
    std::string name;
    std::string policy;        ///< "ACCEPT", "DROP"; "-" for a user-defined chain
    std::uint64_t packets{0};  ///< packets for which the policy applied
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

/// Reads the tables of a namespace. Only existing tables, because reading another would create it.
/// @param family  AF_INET or AF_INET6
/// @return empty if there are no tables; Code::not_found if the tool is missing
Result<std::vector<LegacyTable>> read_legacy(const Netns& netns, int family);

/// Rules that drop or reject, and policies that drop, whose counters have risen.
/// @param hook      "FORWARD": only chains reachable from it; "": all
/// @param protocol  "tcp" or "udp": omits rules for other protocols
[[nodiscard]] std::vector<FirewallRule> risen(const std::vector<LegacyTable>& before,
                                              const std::vector<LegacyTable>& after,
                                              std::string_view hook, std::string_view protocol,
                                              int family);

}  // namespace ksms
