// SPDX-License-Identifier: BSD-2-Clause
#include "judge/drop.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "ksms/abi.h"

namespace ksms {
namespace {

struct Reason {
    std::string_view name;
    DropClass is;
};

constexpr DropClass at_socket{DropKind::other, true, false, false};
constexpr DropClass full{DropKind::other, false, false, true};

// include/net/dropreason-core.h and dropreason-qdisc.h
constexpr Reason kReasons[] = {
    {"NETFILTER_DROP", {DropKind::firewall}},
    {"OTHERHOST", {DropKind::for_another}},
    {"IP_INNOROUTES", {DropKind::no_route}},
    {"IP_OUTNOROUTES", {DropKind::no_route}},
    {"IP_RPFILTER", {DropKind::reverse_path}},
    {"IP_INHDR", {DropKind::ttl}},
    {"NEIGH_FAILED", {DropKind::neighbour, false, true, false}},
    {"NEIGH_CREATEFAIL", {DropKind::neighbour, false, true, false}},
    {"NEIGH_QUEUEFULL", {DropKind::neighbour, false, true, true}},
    // What waited for a next hop that did not answer.
    {"QUEUE_PURGE", {DropKind::neighbour, false, true, false}},
    {"NEIGH_DEAD", {DropKind::other, false, true, false}},
    {"NO_SOCKET", {DropKind::no_socket, true, false, false}},
    {"TCP_CSUM", at_socket},
    {"TCP_FLAGS", at_socket},
    {"TCP_RESET", at_socket},
    {"SOCKET_FILTER", {DropKind::socket_filter, true, false, false}},
    {"SOCKET_RCVBUFF", {DropKind::buffer_full, true, false, false}},
    {"SOCKET_BACKLOG", {DropKind::buffer_full, true, false, false}},
    {"PROTO_MEM", {DropKind::buffer_full, true, false, false}},
    {"TCP_LISTEN_OVERFLOW", at_socket},
    {"PKT_TOO_BIG", {DropKind::mtu}},
    {"IP_INADDRERRORS", {DropKind::forwarding_off}},
    {"IP_LOCALNET", {DropKind::martian_source}},
    {"IP_LOCAL_SOURCE", {DropKind::own_source}},
    {"TC_EGRESS", {DropKind::tc_egress}},
    {"TC_INGRESS", {DropKind::tc_ingress}},
    {"XDP", {DropKind::xdp}},
    {"QDISC_DROP", {DropKind::queueing, false, false, true}},
    {"QDISC_OVERLIMIT", full},
    {"QDISC_CONGESTED", full},
    {"QDISC_MAXFLOWS", full},
    {"QDISC_EDT_HORIZON", full},
    {"CAKE_FLOOD", full},
    {"FQ_BAND_LIMIT", full},
    {"FQ_HORIZON_LIMIT", full},
    {"FQ_FLOW_LIMIT", full},
    {"CPU_BACKLOG", full},
    {"FULL_RING", full},
    {"NOMEM", full},
    {"SKB_UCOPY_FAULT", full},
};

// net/core/neighbour.c; for IPv6 without a reason
constexpr std::string_view kNeighbours[] = {"neigh_invalidate", "ndisc_error_report"};

// net/ipv4/route.c, net/ipv6/route.c, net/core/dst.c
constexpr std::string_view kRouting[] = {"ip_error", "dst_discard", "dst_discard_out",
                                         "ip6_pkt_discard", "ip6_pkt_prohibit"};

}  // namespace

KernelWords::Index KernelWords::add(std::string_view word) {
    const auto known = std::ranges::find(words_, word);
    if (known != words_.end()) return static_cast<Index>(known - words_.begin());
    if (words_.size() > std::numeric_limits<Index>::max()) return kNone;
    words_.emplace_back(word);
    return static_cast<Index>(words_.size() - 1);
}

DropClass classify_drop(std::string_view reason, std::string_view place) {
    if (reason.empty()) {
        if (std::ranges::find(kNeighbours, place) != std::end(kNeighbours))
            return {DropKind::neighbour, false, true, false};
        const bool routing = std::ranges::find(kRouting, place) != std::end(kRouting);
        return {routing ? DropKind::refused_by_route : DropKind::unnamed, false, false, false};
    }
    const auto known = std::ranges::find(kReasons, reason, &Reason::name);
    return known == std::end(kReasons) ? DropClass{DropKind::other, false, false, false}
                                       : known->is;
}

const char* hook_name(std::uint8_t hook) {
    switch (hook) {
        case KSMS_HOOK_PREROUTING: return "PREROUTING";
        case KSMS_HOOK_INPUT: return "INPUT";
        case KSMS_HOOK_FORWARD: return "FORWARD";
        case KSMS_HOOK_OUTPUT: return "OUTPUT";
        case KSMS_HOOK_POSTROUTING: return "POSTROUTING";
        case KSMS_HOOK_INGRESS: return "INGRESS";
        case KSMS_HOOK_EGRESS: return "EGRESS";
        default: return "";
    }
}

}  // namespace ksms
