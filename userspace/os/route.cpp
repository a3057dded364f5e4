// SPDX-License-Identifier: BSD-2-Clause
// Routing decisions and the rules behind them.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

#include "base/dscp.hpp"
#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

// linux/fib_rules.h: FRA_DSCP since Linux 6.13, the masks since Linux 6.15
constexpr std::uint16_t kFraDscp = 25, kFraSportMask = 28, kFraDportMask = 29, kFraDscpMask = 30;
constexpr std::uint16_t kFraLast = 31;
constexpr std::uint8_t kIpv4RuleTos =
    0x1c;  // IPTOS_RT_MASK, net/route.h: what an IPv4 rule compares

void port_range(std::span<const std::uint8_t> value, std::uint16_t& first, std::uint16_t& last) {
    fib_rule_port_range range{};
    if (value.size() < sizeof range) return;
    std::memcpy(&range, value.data(), sizeof range);
    first = range.start;
    last = range.end;
}

std::string describe(const RouteQuestion& question, const std::string& netns) {
    return fmt::format("ask {} for the route to {}", netns, question.destination.text());
}

}  // namespace

std::optional<RouteAnswer> parse_route(const nlmsghdr* message) {
    const auto info = fixed_part<rtmsg>(message);
    if (!info) return std::nullopt;
    const Attributes attributes(message, sizeof *info, RTA_MAX);
    RouteAnswer answer;
    answer.type = info->rtm_type;
    answer.oif = attributes.u32(RTA_OIF);
    answer.table = attributes.u32(RTA_TABLE, info->rtm_table);
    answer.gateway = attributes.address(RTA_GATEWAY, info->rtm_family);
    answer.preferred_source = attributes.address(RTA_PREFSRC, info->rtm_family);
    // With net.ipv4.nexthop_compat_mode 0 an object is named by its number alone (fib_dump_info()),
    // which may be a group.
    const bool by_number = attributes[RTA_NH_ID] != nullptr && attributes[RTA_OIF] == nullptr;
    answer.several = attributes[RTA_MULTIPATH] != nullptr || by_number;
    answer.prefix = {attributes.address(RTA_DST, info->rtm_family), info->rtm_dst_len};
    answer.metric = attributes.u32(RTA_PRIORITY);
    answer.encapsulates = attributes[RTA_ENCAP_TYPE] != nullptr;
    answer.mtu = Attributes(attributes[RTA_METRICS], RTAX_MAX).u32(RTAX_MTU);
    if (const auto via = attributes.bytes(RTA_VIA); via.size() >= sizeof(rtvia)) {
        rtvia other{};
        std::memcpy(&other, via.data(), sizeof other);
        Address wanted;
        wanted.family = other.rtvia_family;
        const auto gateway = via.subspan(offsetof(rtvia, rtvia_addr));
        if (wanted.size() > 0 && gateway.size() >= wanted.size())
            answer.gateway = Address::from_bytes(wanted.family, gateway.data());
    }
    return answer;
}

std::optional<RoutingRule> parse_routing_rule(const nlmsghdr* message) {
    const auto info = fixed_part<fib_rule_hdr>(message);
    if (!info) return std::nullopt;
    const Attributes attributes(message, sizeof *info, kFraLast);
    RoutingRule rule;
    rule.family = info->family;
    rule.priority = attributes.u32(FRA_PRIORITY);
    rule.source = {attributes.address(FRA_SRC, info->family), info->src_len};
    rule.destination = {attributes.address(FRA_DST, info->family), info->dst_len};
    rule.iif = attributes.text(FRA_IIFNAME);
    rule.oif = attributes.text(FRA_OIFNAME);
    rule.action = info->action;
    rule.table = attributes.u32(FRA_TABLE, info->table);
    rule.inverted = (info->flags & FIB_RULE_INVERT) != 0;
    rule.protocol = attributes.u8(FRA_IP_PROTO);
    rule.mark = attributes.u32(FRA_FWMARK);
    rule.mark_mask = attributes.u32(FRA_FWMASK);
    rule.suppressed_length =
        static_cast<int>(attributes.u32(FRA_SUPPRESS_PREFIXLEN, static_cast<std::uint32_t>(-1)));
    rule.jump = attributes.u32(FRA_GOTO);
    rule.l3mdev = attributes.u8(FRA_L3MDEV) != 0;
    port_range(attributes.bytes(FRA_SPORT_RANGE), rule.source_port_first, rule.source_port_last);
    port_range(attributes.bytes(FRA_DPORT_RANGE), rule.port_first, rule.port_last);
    rule.source_port_mask = attributes.u16(kFraSportMask, rule.source_port_mask);
    rule.port_mask = attributes.u16(kFraDportMask, rule.port_mask);
    if (info->tos != 0) {
        rule.tos = info->tos;
        rule.tos_mask = info->family == AF_INET ? kIpv4RuleTos : 0xfc;
    }
    if (attributes[kFraDscp] != nullptr) {
        rule.tos = Dscp(attributes.u8(kFraDscp)).tos();
        rule.tos_mask = Dscp(attributes.u8(kFraDscpMask, 0x3f)).tos();
    }
    return rule;
}

Result<RouteAnswer> route(Netlink& netlink, const RouteQuestion& question) {
    Message message(RTM_GETROUTE, 0);
    auto& info = message.fixed<rtmsg>();
    info.rtm_family = static_cast<unsigned char>(question.destination.family);
    info.rtm_dst_len = static_cast<unsigned char>(question.destination.size() * 8);
    info.rtm_tos = question.tos;
    if (question.whole_route) info.rtm_flags = RTM_F_FIB_MATCH;
    // Without RTM_F_LOOKUP_TABLE an IPv4 answer always names the table main. IPv6 refuses the flag.
    if (question.whole_route && question.destination.family == AF_INET)
        info.rtm_flags |= RTM_F_LOOKUP_TABLE;
    message.put(RTA_DST, question.destination);
    if (question.source) {
        info.rtm_src_len = static_cast<unsigned char>(question.source.size() * 8);
        message.put(RTA_SRC, question.source);
    }
    if (question.iif != 0) message.put_u32(RTA_IIF, question.iif);
    if (question.mark != 0) message.put_u32(RTA_MARK, question.mark);
    if (question.protocol != 0) {
        message.put_u8(RTA_IP_PROTO, question.protocol);
        if (question.source_port != 0) message.put_be16(RTA_SPORT, question.source_port);
        if (question.destination_port != 0) message.put_be16(RTA_DPORT, question.destination_port);
    }
    RouteAnswer answer;
    const auto asked = netlink.query(
        message, describe(question, netlink.netns()),
        [&](const nlmsghdr* each) { answer = parse_route(each).value_or(RouteAnswer{}); });
    if (asked) return answer;
    switch (asked.error().err) {
        case ENETUNREACH:
        case EHOSTUNREACH:
        case EACCES:
        case EXDEV:
        case EINVAL:
        case ENETDOWN:
        case EPERM: answer.error = asked.error().err; return answer;
        default: return std::unexpected(asked.error());
    }
}

Result<std::vector<RouteAnswer>> table_routes(Netlink& netlink, int family, std::uint32_t table) {
    Message message(RTM_GETROUTE, 0);
    message.fixed<rtmsg>().rtm_family = static_cast<unsigned char>(family);
    message.put_u32(RTA_TABLE, table);
    auto found = list(netlink, message, "list the routes of " + netlink.netns(), parse_route);
    if (!found && found.error().err == ENOENT) return {};  // there is no such table
    return found;
}

Result<std::vector<RoutingRule>> rules(Netlink& netlink, int family) {
    Message message(RTM_GETRULE, 0);
    message.fixed<fib_rule_hdr>().family = static_cast<__u8>(family);
    return list(netlink, message, "list the routing rules of " + netlink.netns(),
                parse_routing_rule);
}

}  // namespace ksms
