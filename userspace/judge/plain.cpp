// SPDX-License-Identifier: BSD-2-Clause
#include "judge/plain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "judge/walk.hpp"

namespace ksms {
namespace {

bool on_path(const PlanPath& path, std::size_t router) {
    return std::ranges::find(path.hops, router, &PlanHop::router) != path.hops.end();
}

/// Somebody who is not on the planned way saw it or dropped it.
bool seen_elsewhere(const Plan& plan, const PlanPath& path, const ProbeEvidence& evidence) {
    for (std::size_t i = 0; i < plan.routers.size(); ++i) {
        const auto& router = evidence.routers[i];
        if ((router.saw() || router.drop.count > 0) && !on_path(path, i)) return true;
    }
    return evidence.segment_drop.count > 0;
}

/// What came in and did not go out was dropped there, all of it, and nothing else.
bool adds_up(const RouterEvidence& seen) {
    return seen.out.packets <= seen.in.packets &&
           seen.drop.count == seen.in.packets - seen.out.packets;
}

/// One router of the planned way. @param came  packets that were sent to it
enum class Step { passed, stopped, not_plain };
Step plain_step(const PlanHop& hop, const RouterEvidence& seen, std::uint64_t came) {
    const bool as_planned = seen.in.packets > 0 && seen.in.packets <= came &&
                            (seen.in.ifindex == hop.ingress.ifindex || hop.ingress.ifindex == 0);
    if (!as_planned || !adds_up(seen)) return Step::not_plain;
    if (seen.out.packets == 0)
        return seen.drop.is.no_room || seen.drop.is.unresolved ? Step::not_plain : Step::stopped;
    return seen.out.ifindex == hop.egress.ifindex ? Step::passed : Step::not_plain;
}

/// The router owns the destination. Silence is no proof: a socket, a queue and a translation to a
/// host that does not exist look alike.
bool plain_delivery(const RouterEvidence& seen, std::uint64_t came) {
    if (seen.in.packets == 0 || seen.in.packets > came || seen.out.packets > 0) return false;
    if (seen.reply && seen.drop.count <= seen.in.packets) return true;
    return seen.drop.count == seen.in.packets &&
           (seen.drop.by_firewall() || seen.drop.is.at_transport);
}

bool plain_arrival(const ProbeEvidence& evidence, std::uint64_t sent_on) {
    return evidence.destination.packets > 0 && evidence.destination.packets <= sent_on &&
           evidence.destination_drop.count <= evidence.destination.packets;
}

}  // namespace

bool is_plain(const Plan& plan, std::uint32_t probe, const ProbeEvidence& evidence) {
    const auto& path = plan.paths[plan.path_of[probe]];
    if (path.hops.empty() || path.end == PathEnd::loop || plan.goes_on ||
        (!plan.isolated && seen_elsewhere(plan, path, evidence)))
        return false;
    const auto& entry = plan.entries[plan.numbers().entry(probe)];
    std::uint64_t came = evidence.sent;
    for (const auto& hop : path.hops) {
        auto seen = evidence.routers[hop.router];
        // The source's own router: its packets come in nowhere.
        if (!plan.isolated && seen.in.packets == 0 &&
            plan.routers[hop.router].netns.inode() == entry.netns.inode()) {
            seen.in.packets = came;
            seen.in.ifindex = hop.ingress.ifindex;
        }
        if (plan.isolated && &hop != &path.hops.front()) break;
        if (hop.local) return plain_delivery(seen, came);
        const auto step = plain_step(hop, seen, came);
        if (step == Step::not_plain) return false;
        if (step == Step::stopped) return !evidence.destination.packets;
        came = seen.out.packets;
    }
    // The packet in a tunnel has no token that a tap sees: only who got it out tells of it.
    const auto& last = path.hops.back();
    const bool seen_behind = evidence.destination.packets > 0 || seen_beside(evidence, last.router);
    if (last.egress.tunnel && (!plan.isolated || !seen_behind)) return false;
    if (plan.isolated) return true;
    const bool on_this_machine =
        path.end == PathEnd::destination && !plan.destination_hosts.empty();
    return on_this_machine
               ? plain_arrival(evidence, came)
               : path.end == PathEnd::destination || path.end == PathEnd::leaves_machine;
}

bool wants_trail(const ProbeEvidence& evidence, const ProbeVerdict& verdict, bool assume_next_hop) {
    if (evidence.not_sent.why != Why::nothing) return false;
    switch (verdict.cause.why) {
        case Why::interrupted:
        case Why::deadline:
        case Why::taps_gone:
        case Why::another_way:
        case Why::given_another:
        case Why::source_next_hop_missing:
        case Why::source_dropped:
        case Why::proxied:
        case Why::remembered:
        case Why::spared:
        case Why::rate_limited: return false;
        case Why::next_hop_missing: return assume_next_hop;
        default: return true;
    }
}

std::string likeness(const Plan& plan, std::uint32_t probe, std::uint8_t protocol,
                     const ProbeEvidence& evidence) {
    std::string text;
    const auto add = [&text](const auto&... parts) {
        (fmt::format_to(std::back_inserter(text), "{} ", parts), ...);
    };
    const auto add_drop = [&](const Drop& drop) {
        add(drop.count > 0, drop.reason, drop.place, drop.hook);
    };
    add(plan.path_of[probe], protocol, evidence.sent, evidence.source.packets > 0);
    for (const auto& seen : evidence.routers) {
        add(seen.in.packets, seen.in.ifindex, seen.out.packets, seen.out.ifindex,
            static_cast<int>(seen.reply.kind));
        add_drop(seen.drop);
    }
    add(evidence.destination.packets, evidence.destination_host);
    add_drop(evidence.destination_drop);
    add_drop(evidence.segment_drop);
    return text;
}

}  // namespace ksms
