// SPDX-License-Identifier: BSD-2-Clause
// getsockopt(IPT_SO_GET_ENTRIES), like iptables-save.
#include <netinet/in.h>
// Before the kernel's headers.
#include <fmt/format.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "os/xtables.hpp"

namespace ksms {
namespace {

struct Ip4 {
    using Entry = ipt_entry;
    using Head = ipt_get_entries;
    using Info = ipt_getinfo;
    static constexpr int family = AF_INET, level = SOL_IP;
    static constexpr int get_info = IPT_SO_GET_INFO, get_entries = IPT_SO_GET_ENTRIES;
    static constexpr const char* names = "/proc/thread-self/net/ip_tables_names";
    static bool goes(const Entry& entry) { return (entry.ip.flags & IPT_F_GOTO) != 0; }
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
    static bool goes(const Entry& entry) { return (entry.ipv6.flags & IP6T_F_GOTO) != 0; }
    static std::uint8_t protocol(const Entry& entry) {
        return (entry.ipv6.invflags & XT_INV_PROTO) != 0
                   ? std::uint8_t{0}
                   : static_cast<std::uint8_t>(entry.ipv6.proto);
    }
};

std::string_view text_of(const char* name, std::size_t size) {
    return {name, strnlen(name, size)};
}

/// Tells which rule of which chain one is. A chain ends where the next one's name stands, in an
/// entry of its own; the built-in ones begin where the table says.
class RuleNames {
public:
    RuleNames(std::string table, std::vector<std::uint32_t> begins)
        : table_(std::move(table)), begins_(std::move(begins)) {}

    /// @param target  of the entry at this offset
    /// @param next  of the next one
    void pass(std::size_t at, std::size_t next, std::string_view target,
              std::span<const std::uint8_t> info) {
        static constexpr std::string_view hooks[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
                                                     "POSTROUTING"};
        for (std::size_t hook = 0; hook < begins_.size(); ++hook)
            if (begins_[hook] == at) begin(hooks[hook], at);
        ++number_;
        if (target == XT_ERROR_TARGET)
            begin(text_of(reinterpret_cast<const char*>(info.data()), info.size()), next);
    }
    /// Of the chain, as jumps to it name it: the offset of its first rule.
    [[nodiscard]] std::string key() const { return std::to_string(begin_); }
    [[nodiscard]] std::string text() const {
        return fmt::format("iptables -t {} {} {}", table_, chain_, number_);
    }

private:
    void begin(std::string_view chain, std::size_t at) {
        chain_ = chain;
        begin_ = at;
        number_ = 0;
    }
    std::string table_, chain_;
    std::vector<std::uint32_t> begins_;  ///< by hook; all ones: the table has none there
    std::size_t number_{0};              ///< in the chain, from 1
    std::size_t begin_{0};
};

/// As far as it is whole.
template <typename Ip>
XtRule rule_in(std::span<const std::uint8_t> bytes, const typename Ip::Entry& entry) {
    XtRule rule;
    rule.protocol = Ip::protocol(entry);
    rule.goes = Ip::goes(entry);
    const std::size_t targets = entry.target_offset;
    if (targets + sizeof(xt_entry_target) > bytes.size()) return rule;
    xt_entry_target target{};
    std::memcpy(&target, bytes.data() + targets, sizeof target);
    // The names are in the bytes: `target` is a copy.
    const auto name_at = [bytes](std::size_t at) {
        return text_of(reinterpret_cast<const char*>(bytes.data() + at), sizeof target.u.user.name);
    };
    rule.target = {name_at(targets + offsetof(xt_entry_target, u.user.name)),
                   target.u.user.revision, bytes.subspan(targets + sizeof target)};
    for (std::size_t at = sizeof entry; at + sizeof(xt_entry_match) <= targets;) {
        xt_entry_match match{};
        std::memcpy(&match, bytes.data() + at, sizeof match);
        const std::size_t size = match.u.user.match_size;
        if (size < sizeof match || at + size > targets) return rule;
        rule.matches.push_back({name_at(at + offsetof(xt_entry_match, u.user.name)),
                                match.u.user.revision,
                                bytes.subspan(at + sizeof match, size - sizeof match)});
        at += size;
    }
    rule.whole = true;
    return rule;
}

template <typename Ip>
std::vector<XtRule> rules_in(const XtTable& table) {
    std::vector<XtRule> rules;
    RuleNames names(table.name, table.begins);
    const std::span<const std::uint8_t> bytes(table.entries);
    for (std::size_t at = 0; at + sizeof(typename Ip::Entry) <= bytes.size();) {
        typename Ip::Entry entry{};
        std::memcpy(&entry, bytes.data() + at, sizeof entry);
        if (entry.next_offset < sizeof entry || at + entry.next_offset > bytes.size()) break;
        auto rule = rule_in<Ip>(bytes.subspan(at, entry.next_offset), entry);
        names.pass(at, at + entry.next_offset, rule.target.name, rule.target.info);
        rule.chain = names.key();
        rule.text = names.text();
        rules.push_back(std::move(rule));
        at += entry.next_offset;
    }
    return rules;
}

/// By hook: where its chain begins.
template <typename Info>
std::vector<std::uint32_t> begins_of(const Info& info) {
    std::vector<std::uint32_t> begins;
    for (std::uint32_t hook = 0; hook < NF_INET_NUMHOOKS; ++hook)
        begins.push_back((info.valid_hooks >> hook & 1) != 0 ? info.hook_entry[hook]
                                                             : ~std::uint32_t{0});
    return begins;
}

/// Nothing of one that has gone meanwhile.
template <typename Ip>
Status read_table(const Fd& socket, const std::string& name, std::vector<XtTable>& to) {
    typename Ip::Info info{};
    name.copy(info.name, sizeof info.name - 1);
    socklen_t size = sizeof info;
    const auto what = fmt::format("read the rules of {}", name);
    if (getsockopt(socket.get(), Ip::level, Ip::get_info, &info, &size) != 0)
        return errno == ENOENT ? Status{} : fail_errno(errno, what);
    std::vector<std::uint8_t> bytes(sizeof(typename Ip::Head) + info.size);
    typename Ip::Head head{};
    name.copy(head.name, sizeof head.name - 1);
    head.size = info.size;
    std::memcpy(bytes.data(), &head, sizeof head);
    size = static_cast<socklen_t>(bytes.size());
    // Also EAGAIN: the table changed meanwhile.
    if (getsockopt(socket.get(), Ip::level, Ip::get_entries, bytes.data(), &size) != 0)
        return fail_errno(errno, what);
    bytes.erase(bytes.begin(), bytes.begin() + sizeof head);
    to.push_back({name, begins_of(info), std::move(bytes)});
    return {};
}

template <typename Ip>
Result<std::vector<XtTable>> tables_of(const Netns& netns) {
    std::vector<std::string> names;
    KSMS_CHECK(in_netns(netns, [&names]() -> Status {
        std::ifstream list(Ip::names);
        if (!list && errno != ENOENT) return fail_errno(errno, fmt::format("read {}", Ip::names));
        for (std::string name; list >> name;) names.push_back(name);
        return {};
    }));
    std::vector<XtTable> tables;
    if (names.empty()) return tables;
    KSMS_TRY(const auto socket, socket_in(netns, Ip::family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    for (const auto& name : names) KSMS_CHECK(read_table<Ip>(socket, name, tables));
    return tables;
}

}  // namespace

Result<std::vector<XtTable>> xt_tables(const Netns& netns, int family) {
    return family == AF_INET ? tables_of<Ip4>(netns) : tables_of<Ip6>(netns);
}

std::vector<XtRule> xt_rules(const XtTable& table, int family) {
    return family == AF_INET ? rules_in<Ip4>(table) : rules_in<Ip6>(table);
}

}  // namespace ksms
