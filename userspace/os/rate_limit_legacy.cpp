// SPDX-License-Identifier: BSD-2-Clause
// Rate limits in iptables-legacy: getsockopt(IPT_SO_GET_ENTRIES), like iptables-save. Reads only
// existing tables, because reading another would create it.
#include <netinet/in.h>
// Before the kernel's headers.
#include <fmt/format.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "os/parse.hpp"
#include "os/rate_limit.hpp"

namespace ksms {
namespace {

struct Ip4 {
    using Entry = ipt_entry;
    using Head = ipt_get_entries;
    using Info = ipt_getinfo;
    static constexpr int family = AF_INET, level = SOL_IP;
    static constexpr int get_info = IPT_SO_GET_INFO, get_entries = IPT_SO_GET_ENTRIES;
    static constexpr const char* names = "/proc/thread-self/net/ip_tables_names";
    static std::uint8_t protocol(const Entry& entry) {
        return (entry.ip.invflags & XT_INV_PROTO) != 0 ? std::uint8_t{0}
                                                       : static_cast<std::uint8_t>(entry.ip.proto);
    }
};

struct Ip6 {
    using Entry = ip6t_entry;
    using Head = ip6t_get_entries;
    using Info = ip6t_getinfo;
    static constexpr int family = AF_INET6, level = SOL_IPV6;
    static constexpr int get_info = IP6T_SO_GET_INFO, get_entries = IP6T_SO_GET_ENTRIES;
    static constexpr const char* names = "/proc/thread-self/net/ip6_tables_names";
    static std::uint8_t protocol(const Entry& entry) {
        return (entry.ipv6.invflags & XT_INV_PROTO) != 0
                   ? std::uint8_t{0}
                   : static_cast<std::uint8_t>(entry.ipv6.proto);
    }
};

std::string_view text_of(const char* name, std::size_t size) {
    return {name, strnlen(name, size)};
}

template <typename Ports>
void take_ports(std::span<const std::uint8_t> info, std::uint8_t inverted, RateLimit& limit) {
    Ports match{};
    if (info.size() < sizeof match) return;
    std::memcpy(&match, info.data(), sizeof match);
    if ((match.invflags & inverted) != 0) return;
    limit.first = match.dpts[0];
    limit.last = match.dpts[1];
}

template <typename Ip>
void take_rule(std::span<const std::uint8_t> bytes, std::vector<RateLimit>& to) {
    typename Ip::Entry entry{};
    std::memcpy(&entry, bytes.data(), sizeof entry);
    if (entry.target_offset + sizeof(xt_entry_target) > bytes.size()) return;
    xt_entry_target target{};
    std::memcpy(&target, bytes.data() + entry.target_offset, sizeof target);
    RateLimit limit;
    limit.protocol = Ip::protocol(entry);
    for (std::size_t at = sizeof entry; at + sizeof(xt_entry_match) <= entry.target_offset;) {
        xt_entry_match match{};
        std::memcpy(&match, bytes.data() + at, sizeof match);
        const std::size_t size = match.u.user.match_size;
        if (size < sizeof match || at + size > entry.target_offset) return;
        const auto info = bytes.subspan(at + sizeof match, size - sizeof match);
        const auto name = text_of(match.u.user.name, sizeof match.u.user.name);
        if (name == "tcp") take_ports<xt_tcp>(info, XT_TCP_INV_DSTPT, limit);
        if (name == "udp") take_ports<xt_udp>(info, XT_UDP_INV_DSTPT, limit);
        if (const auto interval = xtables_interval(name, match.u.user.revision, info))
            limit.interval = std::max(limit.interval, *interval);
        at += size;
    }
    // The standard target, which accepts, drops or jumps, has an empty name.
    const auto name = text_of(target.u.user.name, sizeof target.u.user.name);
    if (limit.interval > nanoseconds(0) && (name.empty() || !only_notes(name))) to.push_back(limit);
}

template <typename Ip>
void take_rules(std::span<const std::uint8_t> rules, std::vector<RateLimit>& to) {
    for (std::size_t at = 0; at + sizeof(typename Ip::Entry) <= rules.size();) {
        typename Ip::Entry entry{};
        std::memcpy(&entry, rules.data() + at, sizeof entry);
        if (entry.next_offset < sizeof entry || at + entry.next_offset > rules.size()) break;
        take_rule<Ip>(rules.subspan(at, entry.next_offset), to);
        at += entry.next_offset;
    }
}

template <typename Ip>
Status take_table(const Fd& socket, const std::string& table, std::vector<RateLimit>& to) {
    typename Ip::Info info{};
    table.copy(info.name, sizeof info.name - 1);
    socklen_t size = sizeof info;
    const auto what = fmt::format("read the rules of {}", table);
    if (getsockopt(socket.get(), Ip::level, Ip::get_info, &info, &size) != 0)
        return errno == ENOENT ? Status{} : fail_errno(errno, what);
    std::vector<std::uint8_t> bytes(sizeof(typename Ip::Head) + info.size);
    typename Ip::Head head{};
    table.copy(head.name, sizeof head.name - 1);
    head.size = info.size;
    std::memcpy(bytes.data(), &head, sizeof head);
    size = static_cast<socklen_t>(bytes.size());
    // Also EAGAIN: the table changed meanwhile.
    if (getsockopt(socket.get(), Ip::level, Ip::get_entries, bytes.data(), &size) != 0)
        return fail_errno(errno, what);
    take_rules<Ip>(std::span<const std::uint8_t>(bytes).subspan(sizeof head), to);
    return {};
}

template <typename Ip>
Status take_tables(const Netns& netns, std::vector<RateLimit>& to) {
    std::vector<std::string> tables;
    KSMS_CHECK(in_netns(netns, [&tables]() -> Status {
        std::ifstream names(Ip::names);
        if (!names && errno != ENOENT) return fail_errno(errno, fmt::format("read {}", Ip::names));
        for (std::string name; names >> name;) tables.push_back(name);
        return {};
    }));
    if (tables.empty()) return {};
    KSMS_TRY(const auto socket, socket_in(netns, Ip::family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    for (const auto& table : tables) KSMS_CHECK(take_table<Ip>(socket, table, to));
    return {};
}

}  // namespace

std::vector<RateLimit> parse_legacy_limits(std::span<const std::uint8_t> entries, int family) {
    std::vector<RateLimit> limits;
    if (family == AF_INET)
        take_rules<Ip4>(entries, limits);
    else
        take_rules<Ip6>(entries, limits);
    return limits;
}

Status add_legacy_limits(const Netns& netns, int family, std::vector<RateLimit>& to) {
    return family == AF_INET ? take_tables<Ip4>(netns, to) : take_tables<Ip6>(netns, to);
}

}  // namespace ksms
