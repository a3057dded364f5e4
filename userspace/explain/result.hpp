// SPDX-License-Identifier: BSD-2-Clause
// The result of a detailed analysis as a value; text and JSON are two writers of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "judge/report.hpp"

namespace ksms {

enum class Firewall { nftables, iptables_nft, iptables_legacy };
[[nodiscard]] const char* name_of(Firewall firewall);  ///< "nftables", "iptables-nft", …

/// A rule that a probe met, or a chain's policy.
struct FirewallRule {
    Firewall firewall{Firewall::nftables};
    std::string family;  ///< "inet", "ip", "ip6"
    std::string table, chain;
    bool policy{false};                   ///< of the chain: no rule decided
    std::optional<std::uint32_t> number;  ///< in its chain, from 1
    std::optional<std::uint64_t> handle;  ///< of nf_tables
    std::string verdict;                  ///< "drop", "reject", "accept", "queue", "stolen", "jump"
    std::string text;                     ///< as the firewall's own tool writes it; "": not known
    std::string hook;  ///< of the base chain that led there: "FORWARD"; "": not known
    std::vector<FirewallRule> jumps;  ///< that led into this chain, the base chain's first
    bool operator==(const FirewallRule&) const = default;
};

/// What is known of a probe at one hook.
enum class Passage { passed, dropped, not_reached, not_known };
[[nodiscard]] const char* name_of(Passage passage);  ///< "passed", "dropped", "not reached", …

struct HookReport {
    std::string hook;    ///< "ingress", "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING",
                         ///< "egress"
    std::string device;  ///< of a tap
    Passage passage{Passage::not_known};
    std::optional<std::uint32_t> packets, bytes;  ///< of a tap
    std::vector<FirewallRule> chains;  ///< what decided in each base chain that the trace tells of
};

/// Why a packet takes this way: the rule of the routing policy, and the table's entry.
struct RouteChoice {
    bool taken{true};   ///< false: it was dropped before; this would have been the way
    std::string error;  ///< "Network is unreachable"; "": there is a route
    std::string type;   ///< "unicast", "local", "blackhole", "unreachable", …
    std::optional<std::uint32_t> priority;  ///< of the rule; none: it could not be told
    std::string selector;                   ///< "from all iif eth1 ipproto tcp dport 80"
    std::string table;                      ///< "main"; "": not known
    std::string prefix;                     ///< "10.2.0.0/16", "default"; "": not known
    std::string next_hop;                   ///< "": the destination is on the link
    std::string device;
    std::uint32_t metric{0};
    std::uint32_t mark{0};  ///< that a firewall must have set for this answer; 0: none
    bool several{false};    ///< several next hops, of which a hash took this one
    std::string detail;     ///< what else is to be said
};

/// A drop in the kernel's words.
struct KernelDrop {
    std::string reason;  ///< "NETFILTER_DROP"; "": none
    std::string place;   ///< "nft_do_chain", "nf_hook_slow", …; "": not known
    std::string hook;    ///< "FORWARD"; "": not known
};

/// One namespace on the way.
struct HopReport {
    std::string name, entry;
    std::uint32_t hop{0};  ///< 0: where the probe leaves; 1 is the first router
    ServiceAtRouter answer;
    KernelDrop drop;          ///< of a NO
    std::uint32_t rounds{0};  ///< how often each probe came by in a loop; 0: there is none
    std::string ingress_iface, iface;
    std::optional<RouteChoice> route;
    std::vector<HookReport> hooks;         ///< in the order in which a packet meets them
    std::optional<FirewallRule> rule;      ///< that dropped or rejected it
    std::vector<FirewallRule> candidates;  ///< where it could not be told which of them
    std::string rule_unknown;  ///< why the rule is not known, where a firewall dropped it
};

struct ServiceExplanation {
    Report scan;  ///< of this service alone
    std::vector<HopReport> hops;
    [[nodiscard]] const ServiceReport& end() const { return scan.services.front(); }
};

struct Explanation {
    ScanState state{ScanState::done};
    Address source, destination;
    std::vector<ServiceExplanation> services;  ///< in the order asked
    std::vector<std::string> warnings;
    Milliseconds total{0};
    [[nodiscard]] std::uint32_t count(Verdict verdict) const;
};

}  // namespace ksms
