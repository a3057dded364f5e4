// SPDX-License-Identifier: BSD-2-Clause
#include "route/next_hop.hpp"

#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "route/detour.hpp"

namespace ksms {
namespace {

constexpr int kLookEvery = 1;  // ms

/// The router that saw it last; one of its copies may be behind the others, so by the first sight.
const RouterEvidence* last_of(const ProbeEvidence& evidence) {
    const auto first = [](const RouterEvidence& router) {
        if (router.in.packets > 0) return router.in.first_ns;
        return router.out.packets > 0 ? router.out.first_ns : 0;
    };
    const auto last = std::ranges::max_element(evidence.routers, {}, first);
    return last == evidence.routers.end() ? nullptr : &*last;
}

}  // namespace

/// Neighbours there that are asked for, or did not answer.
Result<std::vector<Neighbour>> NextHopWatch::silent(std::size_t router, std::uint32_t egress) {
    KSMS_TRY(auto netlink, Netlink::open(network_.netns(plan_.routers[router].netns.number())));
    KSMS_TRY(auto all, neighbours(netlink, AF_UNSPEC));
    std::erase_if(all, [egress](const Neighbour& each) {
        return each.ifindex != egress || (each.state & (NUD_INCOMPLETE | NUD_FAILED)) == 0;
    });
    return all;
}

/// Is this the answer that the packet itself had? Its mark is not known here.
Result<bool> NextHopWatch::certain(std::size_t netns, const RouterEvidence& seen,
                                   const RouteQuestion& question, const RouteAnswer& answer) {
    if (answer.error != 0 || answer.oif != seen.out.ifindex || seen.out.remarked) return false;
    KSMS_TRY(const bool several, network_.several_ways(netns, question));
    if (several) return false;
    KSMS_TRY(const auto* rules, network_.rules(netns, question.destination.family));
    return std::ranges::none_of(
        *rules, [](const RoutingRule& rule) { return rule.mark != 0 || rule.mark_mask != 0; });
}

/// Could any route there lead to this neighbour?
Result<bool> NextHopWatch::leads_to(std::size_t netns, const RouteQuestion& question,
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

Result<bool> NextHopWatch::is_unresolved(std::size_t router, const RouterEvidence& seen,
                                         const RouteQuestion& question) {
    const auto netns = plan_.routers[router].netns.number();
    KSMS_TRY(const auto answer, network_.route(netns, question));
    KSMS_TRY(const bool sure, certain(netns, seen, question, answer));
    const auto next_hop = answer.gateway ? answer.gateway : question.destination;
    while (true) {
        KSMS_TRY(const auto neighbours, silent(router, seen.out.ifindex));
        bool found = false, asking = false;
        for (const auto& each : neighbours) {
            bool meant = each.address == next_hop;
            if (!sure) {
                KSMS_TRY(meant, leads_to(netns, question, each.address));
            }
            found |= meant;
            asking |= meant && (each.state & NUD_INCOMPLETE) != 0;
        }
        const auto now = monotonic_ns();
        if (deadline_ == 0) deadline_ = now + kNeighbourPatience;
        if (!asking || now >= deadline_) return found;
        poll(nullptr, 0, kLookEvery);
    }
}

/// The common case, and one question for all probes.
Result<bool> NextHopWatch::all_answer(const Exit& exit) {
    if (const auto known = all_answer_.find(exit); known != all_answer_.end()) return known->second;
    KSMS_TRY(const auto neighbours, silent(exit.first, exit.second));
    return all_answer_[exit] = neighbours.empty();
}

Result<NextHopWatch::Key> NextHopWatch::key_of(const Exit& exit, const RouterEvidence& seen,
                                               const RouteQuestion& question) {
    const auto netns = plan_.routers[exit.first].netns.number();
    KSMS_TRY(const auto* rules, network_.rules(netns, question.destination.family));
    const bool by_port =
        std::ranges::any_of(*rules, [](const RoutingRule& rule) { return rule.port_last != 0; });
    return Key{exit,
               question.iif,
               question.destination,
               question.protocol,
               by_port ? question.destination_port : std::uint16_t{0},
               question.tos,
               seen.out.remarked};
}

Status NextHopWatch::look(std::size_t probe, ProbeEvidence& evidence) {
    const auto* last = last_of(evidence);
    if (last == nullptr || last->out.packets == 0 || evidence.destination.packets > 0) return {};
    const auto router = static_cast<std::size_t>(last - evidence.routers.data());
    const Exit exit{router, last->out.ifindex};
    KSMS_TRY(const bool nobody_silent, all_answer(exit));
    if (nobody_silent) return {};
    const auto& service = request_.services[probe % plan_.services()];
    const auto question = question_behind(request_, service, source_port_, *last);
    KSMS_TRY(const auto key, key_of(exit, *last, question));
    auto known = known_.find(key);
    if (known == known_.end()) {
        KSMS_TRY(const bool unresolved, is_unresolved(router, *last, question));
        known = known_.emplace(key, unresolved).first;
    }
    evidence.routers[router].unresolved = known->second;
    return {};
}

}  // namespace ksms
