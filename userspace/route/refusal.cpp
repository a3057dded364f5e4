// SPDX-License-Identifier: BSD-2-Clause
#include "route/refusal.hpp"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

namespace ksms {
namespace {

/// net/ipv4/fib_semantics.c, fib_props; net/ipv6/route.c, ip6_rt_type_to_error().
struct Kind {
    std::uint8_t type;
    int error;
    std::uint8_t action;  ///< of a rule
    int rule_error;       ///< fib4_rule_action(), fib6_rule_action()
    const char* name;
};
constexpr Kind kKinds[] = {
    {RTN_BLACKHOLE, EINVAL, FR_ACT_BLACKHOLE, EINVAL, "blackhole"},
    {RTN_PROHIBIT, EACCES, FR_ACT_PROHIBIT, EACCES, "prohibit"},
    {RTN_UNREACHABLE, EHOSTUNREACH, FR_ACT_UNREACHABLE, ENETUNREACH, "unreachable"},
};

std::set<std::uint32_t> tables_of(const std::vector<RoutingRule>& rules) {
    std::set<std::uint32_t> tables{RT_TABLE_MAIN};
    for (const auto& rule : rules)
        if (rule.action == FR_ACT_TO_TBL) tables.insert(rule.table);
    return tables;
}

std::string text_of(const Prefix& prefix) {
    return prefix.length == 0 ? "default" : prefix.text();
}

/// The longest prefix of this kind; of several tables only where they agree.
Result<std::optional<std::string>> route_of(Network& network, std::size_t netns, std::uint8_t type,
                                            const Address& destination,
                                            const std::vector<RoutingRule>& rules) {
    std::set<std::string> found;
    for (const auto table : tables_of(rules)) {
        KSMS_TRY(const auto entries, network.table_routes(netns, destination.family, table));
        const RouteAnswer* longest = nullptr;
        for (const auto& entry : entries) {
            const bool covers = entry.prefix.length == 0 || entry.prefix.contains(destination);
            if (entry.table != table || entry.type != type || !covers) continue;
            if (longest == nullptr || entry.prefix.length > longest->prefix.length)
                longest = &entry;
        }
        if (longest != nullptr) found.insert(text_of(longest->prefix));
    }
    if (found.empty()) return std::nullopt;
    return found.size() == 1 ? *found.begin() : std::string();
}

}  // namespace

Result<std::string> refusal_of(Network& network, std::size_t netns, const RouteAnswer& answer,
                               const Address& destination) {
    KSMS_TRY(const auto* rules, network.rules(netns, destination.family));
    for (const auto& kind : kKinds) {
        const bool by_type = answer.error == 0 && answer.type == kind.type;
        if (by_type || answer.error == kind.error) {
            KSMS_TRY(const auto prefix, route_of(network, netns, kind.type, destination, *rules));
            if (prefix)
                return prefix->empty() ? kind.name : fmt::format("{} ({})", kind.name, *prefix);
        }
        const bool by_rule = std::ranges::any_of(
            *rules, [&](const RoutingRule& rule) { return rule.action == kind.action; });
        if (by_rule && answer.error == kind.rule_error)
            return fmt::format("{} (by a rule)", kind.name);
    }
    return std::string();
}

}  // namespace ksms
