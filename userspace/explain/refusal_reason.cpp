// SPDX-License-Identifier: BSD-2-Clause
#include "explain/refusal_reason.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ksms {
namespace {

/// SKB_DROP_REASON_* that fib_validate_source() and ip_route_input_slow() (net/ipv4) give to
/// packets with an invalid address ("martians").
struct Martian {
    std::string_view reason, error;
};
constexpr Martian kMartians[] = {
    {"IP_LOCAL_SOURCE", "its source is an address of the router itself"},
    {"IP_INVALID_SOURCE", "its source is not an address that a packet can come from"},
    {"IP_LOCALNET", "an address of 127.0.0.0/8 came in from outside"},
    {"IP_INVALID_DEST", "its destination is not an address that a packet can go to"},
};

RefusalReason not_forwarding(int family, const std::string& iif, bool forwards_now) {
    const auto setting = family == AF_INET6 ? std::string("net.ipv6.conf.all.forwarding")
                                            : fmt::format("net.ipv4.conf.{}.forwarding", iif);
    const auto where = family == AF_INET6 ? std::string() : " on " + iif;
    if (forwards_now)
        return {"forwarding was off" + where, setting + " was 0 when the probe came, and is 1 now"};
    return {"forwarding is off" + where, setting + " is 0"};
}

/// The route back to the source, close to the lookup that rp_filter does: user space cannot ask
/// for a route from an address that is not local.
std::string way_back(Netlink& netlink, const RouteQuestion& question) {
    RouteQuestion back;
    back.destination = question.source;
    back.tos = question.tos;
    back.mark = question.mark;
    const auto answer = route(netlink, back);
    if (!answer) return {};
    if (answer->error != 0)
        return fmt::format("there is no route back to {}", question.source.text());
    if (answer->oif == question.iif) return {};
    const auto all = links(netlink);
    if (!all) return {};
    const auto by = std::ranges::find(*all, answer->oif, &Link::ifindex);
    if (by == all->end()) return {};
    return fmt::format("the way back to {} is by {}", question.source.text(), by->name);
}

Result<RefusalReason> rp_filter_reason(Netlink& netlink, const RouteQuestion& question,
                                       const std::string& iif, bool dropped_by_filter) {
    KSMS_TRY(const auto filter, rp_filter(netlink, question.iif));
    const auto back = way_back(netlink, question);
    if (!dropped_by_filter && (filter == 0 || back.empty())) return RefusalReason{};
    const auto* how = filter == 1 ? " (1: strict)" : filter == 2 ? " (2: loose)" : "";
    return RefusalReason{fmt::format("refused by rp_filter on {}{}", iif, how), back};
}

}  // namespace

Result<RefusalReason> refusal_reason(Netlink& netlink, const RouteQuestion& question,
                                     const std::string& iif, const KernelDrop& drop, int err) {
    const int family = question.destination.family;
    const bool dropped = !drop.reason.empty() || !drop.place.empty();
    if (drop.reason == "IP_RPFILTER") return rp_filter_reason(netlink, question, iif, true);
    const auto martian = std::ranges::find(kMartians, drop.reason, &Martian::reason);
    if (martian != std::end(kMartians)) return RefusalReason{std::string(martian->error), ""};
    // ip_error() (net/ipv4/route.c) gives this reason only if the interface does not forward.
    const bool said = drop.reason == "IP_INADDRERRORS" && drop.place == "ip_error";
    KSMS_TRY(const bool forwards_now, forwards(netlink, family, question.iif));
    if (said) return not_forwarding(family, iif, forwards_now);
    // ip6_forward() drops packets for other causes too, before Linux 6.13 without a reason.
    // If forwarding is off, ip_route_input_slow() answers EHOSTUNREACH whatever the tables say.
    const bool not_named =
        drop.place == "ip6_forward" && (drop.reason.empty() || drop.reason == "IP_INADDRERRORS");
    const bool answered = family == AF_INET && err == EHOSTUNREACH && drop.reason.empty();
    if (!forwards_now && (not_named || answered)) return not_forwarding(family, iif, forwards_now);
    if (!dropped && (err == EINVAL || err == EXDEV) && family == AF_INET)
        return rp_filter_reason(netlink, question, iif, false);
    return RefusalReason{};
}

}  // namespace ksms
