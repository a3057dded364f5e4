// SPDX-License-Identifier: BSD-2-Clause
#include "route/next_hop.hpp"

#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "route/detour.hpp"

namespace ksms {
namespace {

constexpr std::chrono::milliseconds kLookEvery{1};

}  // namespace

/// Neighbours there that are asked for, or did not answer.
Result<std::vector<Neighbour>> NextHopLook::silent(std::size_t router, std::uint32_t egress) {
    KSMS_TRY(auto netlink, Netlink::open(network_.netns(plan_.routers[router].netns.number())));
    KSMS_TRY(auto all, neighbours(netlink, AF_UNSPEC));
    std::erase_if(all, [egress](const Neighbour& each) {
        return each.ifindex != egress || (each.state & (NUD_INCOMPLETE | NUD_FAILED)) == 0;
    });
    return all;
}

/// Is this the answer that the packet itself had? Its mark is not known here.
Result<bool> NextHopLook::certain(std::size_t netns, const Departure& departure,
                                  const RouteQuestion& question, const RouteAnswer& answer) {
    if (answer.error != 0 || answer.oif != departure.egress || departure.remarked) return false;
    KSMS_TRY(const bool several, network_.several_ways(netns, question));
    if (several) return false;
    KSMS_TRY(const auto* rules, network_.rules(netns, question.destination.family));
    return std::ranges::none_of(
        *rules, [](const RoutingRule& rule) { return rule.mark != 0 || rule.mark_mask != 0; });
}

/// Could any route there lead to this neighbour?
Result<bool> NextHopLook::leads_to(std::size_t netns, const RouteQuestion& question,
                                   const Address& neighbour) {
    if (neighbour == question.destination) return true;
    const int family = question.destination.family;
    KSMS_TRY(const auto* rules, network_.rules(netns, family));
    std::set<std::uint32_t> tables{RT_TABLE_MAIN};
    for (const auto& rule : *rules)
        if (rule.action == FR_ACT_TO_TBL) tables.insert(rule.table);
    for (const auto table : tables) {
        KSMS_TRY(const auto routes, network_.table_routes(netns, family, table));
        // The hops of a route that has several are not listed.
        for (const auto& route : routes)
            if (route.several || route.gateway == neighbour) return true;
    }
    return false;
}

Result<bool> NextHopLook::look(const Departure& departure, const RouteQuestion& question) {
    const auto netns = plan_.routers[departure.router].netns.number();
    KSMS_TRY(const auto answer, network_.route(netns, question));
    KSMS_TRY(const bool sure, certain(netns, departure, question, answer));
    const auto next_hop = answer.gateway ? answer.gateway : question.destination;
    while (true) {
        KSMS_TRY(const auto neighbours, silent(departure.router, departure.egress));
        bool found = false, asking = false;
        for (const auto& each : neighbours) {
            bool meant = each.address == next_hop;
            if (!sure) {
                KSMS_TRY(meant, leads_to(netns, question, each.address));
            }
            found |= meant;
            asking |= meant && (each.state & NUD_INCOMPLETE) != 0;
        }
        const auto now = monotonic();
        if (!deadline_) deadline_ = now + kNeighbourPatience;
        if (!asking || now >= *deadline_) return found;
        pause_for(kLookEvery);
    }
}

/// The common case, and one question for all probes.
Result<bool> NextHopLook::all_answer(const Exit& exit) {
    if (const auto known = all_answer_.find(exit); known != all_answer_.end()) return known->second;
    KSMS_TRY(const auto neighbours, silent(exit.first, exit.second));
    return all_answer_[exit] = neighbours.empty();
}

Result<NextHopLook::Key> NextHopLook::key_of(const Departure& departure,
                                             const RouteQuestion& question) {
    const auto netns = plan_.routers[departure.router].netns.number();
    KSMS_TRY(const auto* rules, network_.rules(netns, question.destination.family));
    const bool by_port = looks_at_ports(*rules);
    return Key{{departure.router, departure.egress},
               question.iif,
               question.destination,
               question.protocol,
               by_port ? question.destination_port : std::uint16_t{0},
               question.tos,
               departure.remarked};
}

Result<bool> NextHopLook::is_silent(const Departure& departure) {
    KSMS_TRY(const bool nobody_silent, all_answer({departure.router, departure.egress}));
    if (nobody_silent) return false;
    const auto question = question_behind(request_, source_port_, departure);
    KSMS_TRY(const auto key, key_of(departure, question));
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    KSMS_TRY(const bool silent, look(departure, question));
    return known_[key] = silent;
}

}  // namespace ksms
