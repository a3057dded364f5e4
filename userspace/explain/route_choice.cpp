// SPDX-License-Identifier: BSD-2-Clause
#include "explain/route_choice.hpp"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/dscp.hpp"
#include "explain/refusal_reason.hpp"

namespace ksms {
namespace {

std::string table_name(std::uint32_t table) {
    switch (table) {
        case RT_TABLE_DEFAULT: return "default";
        case RT_TABLE_MAIN: return "main";
        case RT_TABLE_LOCAL: return "local";
        default: return std::to_string(table);
    }
}

const char* type_name(std::uint8_t type) {
    switch (type) {
        case RTN_UNICAST: return "unicast";
        case RTN_LOCAL: return "local";
        case RTN_BROADCAST: return "broadcast";
        case RTN_ANYCAST: return "anycast";
        case RTN_MULTICAST: return "multicast";
        case RTN_BLACKHOLE: return "blackhole";
        case RTN_UNREACHABLE: return "unreachable";
        case RTN_PROHIBIT: return "prohibit";
        case RTN_THROW: return "throw";
        default: return "";
    }
}

/// A rule that refuses, in the words of a route that does.
const char* action_name(std::uint8_t action) {
    switch (action) {
        case FR_ACT_BLACKHOLE: return "blackhole";
        case FR_ACT_UNREACHABLE: return "unreachable";
        case FR_ACT_PROHIBIT: return "prohibit";
        default: return "";
    }
}

bool refuses(const RouteAnswer& route) {
    return route.type == RTN_BLACKHOLE || route.type == RTN_UNREACHABLE ||
           route.type == RTN_PROHIBIT;
}

std::string ports(std::uint16_t first, std::uint16_t last) {
    return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

std::string prefix_text(const Prefix& prefix) {
    return prefix.length == 0 ? "default" : prefix.text();
}

/// The rules that look at this packet, in order; a goto leads on at the rule that it names.
std::vector<const RoutingRule*> matching(const std::vector<RoutingRule>& rules,
                                         const RouteQuestion& question, const std::string& iif) {
    std::vector<const RoutingRule*> found;
    std::uint32_t from = 0;
    for (const auto& rule : rules) {
        if (rule.priority < from || !matches(rule, question, iif)) continue;
        if (rule.action == FR_ACT_GOTO)
            from = rule.jump;
        else if (rule.action != FR_ACT_NOP)
            found.push_back(&rule);
    }
    return found;
}

void name_rule(RouteChoice& choice, const RoutingRule& rule) {
    choice.priority = rule.priority;
    choice.selector = selector_text(rule);
}

/// The longest prefix of a table that the destination is in.
const RouteAnswer* longest(const std::vector<RouteAnswer>& routes, const Address& destination) {
    const RouteAnswer* best = nullptr;
    for (const auto& route : routes) {
        const bool contains = route.prefix.length == 0 || route.prefix.contains(destination);
        if (contains && (best == nullptr || route.prefix.length > best->prefix.length))
            best = &route;
    }
    return best;
}

/// Where the kernel refuses: the rule or the route that says so, else which tables have none.
/// @param err  its answer
Status explain_refusal(Netlink& netlink, const std::vector<const RoutingRule*>& rules,
                       const RouteQuestion& question, int err, RouteChoice& choice) {
    std::vector<std::string> tables;
    for (const auto* rule : rules) {
        if (rule->action != FR_ACT_TO_TBL) {
            name_rule(choice, *rule);
            choice.type = action_name(rule->action);
            choice.detail = "the rule itself refuses";
            return {};
        }
        if (rule->l3mdev) continue;
        KSMS_TRY(const auto routes,
                 table_routes(netlink, question.destination.family, rule->table));
        const auto* best = longest(routes, question.destination);
        if (best != nullptr && refuses(*best)) {
            name_rule(choice, *rule);
            choice.type = type_name(best->type);
            choice.table = table_name(rule->table);
            choice.prefix = prefix_text(best->prefix);
            choice.metric = best->metric;
            return {};
        }
        if (std::ranges::find(tables, table_name(rule->table)) == tables.end())
            tables.push_back(table_name(rule->table));
    }
    // Other refusals of the kernel are not for want of a route, whatever the tables have.
    if (err == ENETUNREACH)
        choice.detail = fmt::format("no table has a route: {}", fmt::join(tables, ", "));
    else
        choice.detail = "neither a route nor a rule says why";
    return {};
}

/// The first rule that leads to the table of the answer and does not suppress it.
void find_rule(const std::vector<const RoutingRule*>& rules, const RouteAnswer& whole,
               RouteChoice& choice) {
    for (const auto* rule : rules) {
        if (rule->l3mdev) {
            choice.detail = "a rule of VRFs (l3mdev) comes first";
            continue;
        }
        if (rule->action != FR_ACT_TO_TBL || rule->table != whole.table) continue;
        if (rule->suppressed_length >= static_cast<int>(whole.prefix.length)) continue;
        choice.detail.clear();
        name_rule(choice, *rule);
        return;
    }
}

/// A rule that a firewall's mark would lead to before the one that was found: the mark is not seen.
std::string rule_by_mark(const std::vector<RoutingRule>& rules, RouteQuestion question,
                         const std::string& iif, const RouteChoice& choice) {
    for (const auto& rule : rules) {
        if (rule.mark == 0 || rule.mark == choice.mark) continue;
        if (choice.priority && rule.priority >= *choice.priority) continue;
        question.mark = rule.mark;
        if (matches(rule, question, iif))
            return fmt::format("unless a firewall sets mark 0x{:x}: rule {} ({}) comes before",
                               rule.mark, rule.priority, selector_text(rule));
    }
    return {};
}

std::string interface_name(const std::vector<Link>& all, std::uint32_t ifindex) {
    const auto found = std::ranges::find(all, ifindex, &Link::ifindex);
    return found == all.end() ? std::string() : found->name;
}

/// A mark that the rules name and with which the packet leaves by this interface.
Result<std::uint32_t> mark_towards(Netlink& netlink, const std::vector<RoutingRule>& rules,
                                   RouteQuestion question, std::uint32_t oif) {
    for (const auto& rule : rules) {
        if (rule.mark == 0) continue;
        question.mark = rule.mark;
        KSMS_TRY(const auto answer, route(netlink, question));
        if (answer.error == 0 && answer.oif == oif) return rule.mark;
    }
    return 0;
}

}  // namespace

std::string selector_text(const RoutingRule& rule) {
    std::string text = rule.inverted ? "not from " : "from ";
    text += rule.source.length == 0 ? "all" : rule.source.text();
    if (rule.destination.length != 0) text += " to " + rule.destination.text();
    if (!rule.iif.empty()) text += " iif " + rule.iif;
    if (!rule.oif.empty()) text += " oif " + rule.oif;
    if (rule.tos_mask == 0xfc)
        text += fmt::format(" dscp {}", Dscp::of_tos(rule.tos).value());
    else if (rule.tos_mask != 0)
        text += fmt::format(" tos 0x{:02x}", rule.tos);
    if (rule.mark != 0 || rule.mark_mask != 0) {
        text += fmt::format(" fwmark 0x{:x}", rule.mark);
        if (rule.mark_mask != 0xffffffff) text += fmt::format("/0x{:x}", rule.mark_mask);
    }
    if (rule.protocol == IPPROTO_TCP)
        text += " ipproto tcp";
    else if (rule.protocol == IPPROTO_UDP)
        text += " ipproto udp";
    else if (rule.protocol != 0)
        text += fmt::format(" ipproto {}", rule.protocol);
    if (rule.source_port_last != 0)
        text += " sport " + ports(rule.source_port_first, rule.source_port_last);
    if (rule.port_last != 0) text += " dport " + ports(rule.port_first, rule.port_last);
    if (rule.suppressed_length >= 0)
        text += fmt::format(" suppress_prefixlength {}", rule.suppressed_length);
    return text;
}

bool matches(const RoutingRule& rule, const RouteQuestion& question, const std::string& iif) {
    const auto within = [](std::uint16_t port, std::uint16_t first, std::uint16_t last,
                           std::uint16_t mask) {
        if (mask != 0xffff) return ((port ^ first) & mask) == 0;
        return last == 0 || (port >= first && port <= last);
    };
    const bool all =
        (rule.source.length == 0 || rule.source.contains(question.source)) &&
        (rule.destination.length == 0 || rule.destination.contains(question.destination)) &&
        (rule.iif.empty() || rule.iif == (iif.empty() ? "lo" : iif)) && rule.oif.empty() &&
        (question.tos & rule.tos_mask) == (rule.tos & rule.tos_mask) &&
        (question.mark & rule.mark_mask) == rule.mark &&
        (rule.protocol == 0 || rule.protocol == question.protocol) &&
        within(question.source_port, rule.source_port_first, rule.source_port_last,
               rule.source_port_mask) &&
        within(question.destination_port, rule.port_first, rule.port_last, rule.port_mask);
    return all != rule.inverted;
}

Result<RouteChoice> choose_route(Netlink& netlink, RouteQuestion question,
                                 const std::string& left_by, const KernelDrop& drop) {
    RouteChoice choice;
    KSMS_TRY(const auto interfaces, links(netlink));
    KSMS_TRY(const auto all_rules, rules(netlink, question.destination.family));
    KSMS_TRY(auto answer, route(netlink, question));
    const auto seen = std::ranges::find(interfaces, left_by, &Link::name);
    if (!left_by.empty() && seen != interfaces.end() &&
        (answer.error != 0 || answer.oif != seen->ifindex)) {
        KSMS_TRY(choice.mark, mark_towards(netlink, all_rules, question, seen->ifindex));
        if (choice.mark == 0)
            choice.detail = fmt::format("it left by {}, its routes say another way", left_by);
        question.mark = choice.mark;
        KSMS_TRY(answer, route(netlink, question));
    }
    const auto iif = interface_name(interfaces, question.iif);
    const auto looking = matching(all_rules, question, iif);
    choice.type = type_name(answer.type);
    if (question.iif != 0) {
        KSMS_TRY(const auto reason, refusal_reason(netlink, question, iif, drop, answer.error));
        if (!reason.error.empty()) {
            choice.type.clear();
            choice.error = reason.error;
            choice.detail = reason.detail;
            return choice;
        }
    }
    if (answer.error != 0) {
        choice.type.clear();
        choice.error = std::strerror(answer.error);
        KSMS_CHECK(explain_refusal(netlink, looking, question, answer.error, choice));
        return choice;
    }
    choice.device = interface_name(interfaces, answer.oif);
    choice.next_hop = answer.gateway ? answer.gateway.text() : "";
    question.whole_route = true;
    KSMS_TRY(const auto whole, route(netlink, question));
    if (whole.error != 0) return choice;
    choice.table = table_name(whole.table);
    choice.prefix = prefix_text(whole.prefix);
    choice.metric = whole.metric;
    choice.several = whole.several;
    const auto detail = std::move(choice.detail);
    choice.detail.clear();
    find_rule(looking, whole, choice);
    if (!detail.empty()) choice.detail = detail;
    if (choice.detail.empty()) choice.detail = rule_by_mark(all_rules, question, iif, choice);
    return choice;
}

}  // namespace ksms
