// SPDX-License-Identifier: BSD-2-Clause
// What xtables matches and targets ask about destination ports.
#include <netinet/in.h>
// Before the kernel's headers.
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <string_view>

#include "os/firewall_rules.hpp"
#include "os/port_rules.hpp"

namespace ksms {
namespace {

/// Matches that look at no port, or at those of other protocols alone. Not here: those that look at
/// bytes anywhere (u32, bpf, string), into sets (set) or for sockets (socket), and those whose
/// answer is another one each time (statistic, quota, nfacct, cpu).
constexpr std::string_view kIndifferentMatches[] = {
    "addrtype", "ah",         "cgroup",   "cluster", "comment", "connbytes", "connlabel",
    "connmark", "dccp",       "devgroup", "dscp",    "dst",     "ecn",       "esp",
    "eui64",    "frag",       "hbh",      "hl",      "icmp",    "icmp6",     "ipcomp",
    "iprange",  "ipv6header", "l2tp",     "length",  "limit",   "connlimit", "mac",
    "mark",     "mh",         "osf",      "owner",   "physdev", "pkttype",   "policy",
    "realm",    "recent",     "rpfilter", "rt",      "sctp",    "srh",       "state",
    "tcpmss",   "time",       "tos",      "ttl",     "udplite"};

/// Targets that do the same with each port. Not here: those that ask a program (NFQUEUE), look for
/// a socket (TPROXY), hash ports (HMARK, CLUSTERIP), or enter into sets (SET).
constexpr std::string_view kIndifferentTargets[] = {
    "AUDIT",      "CHECKSUM", "CLASSIFY",    "CONNMARK",  "CONNSECMARK", "CT",      "DSCP",
    "ECN",        "ERROR",    "HL",          "IDLETIMER", "LED",         "LOG",     "MARK",
    "MASQUERADE", "NETMAP",   "NFLOG",       "NOTRACK",   "REJECT",      "SECMARK", "SNAT",
    "SYNPROXY",   "TCPMSS",   "TCPOPTSTRIP", "TOS",       "TRACE",       "TTL",     "ULOG"};

template <typename Ports>
bool take_ports_of(std::span<const std::uint8_t> info, std::uint8_t protocol,
                   std::vector<PortQuestion>& to) {
    const auto match = read_as<Ports>(info);
    if (!match) return false;
    const PortSpan ports{match->dpts[0], match->dpts[1]};
    if (ports != PortSpan{}) to.push_back({protocol, {ports}});
    return true;
}

bool take_several_ports_of(std::uint32_t revision, std::span<const std::uint8_t> info,
                           std::vector<PortQuestion>& to) {
    const auto match = read_as<xt_multiport_v1>(info);
    if (revision != 1 || !match || match->count > XT_MULTI_PORTS) return false;
    if (match->flags == XT_MULTIPORT_SOURCE) return true;
    to.push_back({0, multiport_spans(*match)});
    return true;
}

/// Does it count all ports together?
bool is_portless_hashlimit(std::uint32_t revision, std::span<const std::uint8_t> info) {
    const auto at = revision == 3   ? offsetof(xt_hashlimit_mtinfo3, cfg.mode)
                    : revision == 2 ? offsetof(xt_hashlimit_mtinfo2, cfg.mode)
                                    : offsetof(xt_hashlimit_mtinfo1, cfg.mode);
    const auto mode = read_as<std::uint32_t>(info, at);
    return revision >= 1 && revision <= 3 && mode && (*mode & XT_HASHLIMIT_HASH_DPT) == 0;
}

/// The standard target: NF_QUEUE is a verdict, too.
bool is_portless_verdict(std::span<const std::uint8_t> info) {
    const auto verdict = read_as<int>(info);
    return verdict && (*verdict >= 0 || *verdict == XT_RETURN || *verdict == -1 - NF_ACCEPT ||
                       *verdict == -1 - NF_DROP);
}

/// Where the flags stand is the same in all revisions.
bool is_portless_conntrack(std::uint32_t revision, std::span<const std::uint8_t> info) {
    constexpr auto ports = XT_CONNTRACK_ORIGSRC_PORT | XT_CONNTRACK_ORIGDST_PORT |
                           XT_CONNTRACK_REPLSRC_PORT | XT_CONNTRACK_REPLDST_PORT;
    const auto flags = read_as<std::uint16_t>(info, offsetof(xt_conntrack_mtinfo3, match_flags));
    return revision >= 1 && revision <= 3 && flags && (*flags & ports) == 0;
}

}  // namespace

bool take_xtables_ports(std::string_view match, std::uint32_t revision,
                        std::span<const std::uint8_t> info, std::vector<PortQuestion>& to) {
    if (match == "tcp") return take_ports_of<xt_tcp>(info, IPPROTO_TCP, to);
    if (match == "udp") return take_ports_of<xt_udp>(info, IPPROTO_UDP, to);
    if (match == "multiport") return take_several_ports_of(revision, info, to);
    if (match == "hashlimit") return is_portless_hashlimit(revision, info);
    if (match == "conntrack") return is_portless_conntrack(revision, info);
    return std::ranges::find(kIndifferentMatches, match) != std::end(kIndifferentMatches);
}

bool is_portless_target(std::string_view target, std::span<const std::uint8_t> info) {
    if (target.empty()) return is_portless_verdict(info);
    if (target == "DNAT" || target == "REDIRECT") {
        const auto given = ports_given(info);
        return !given || given->first == given->last;
    }
    return std::ranges::find(kIndifferentTargets, target) != std::end(kIndifferentTargets);
}

}  // namespace ksms
