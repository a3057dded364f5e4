// SPDX-License-Identifier: BSD-2-Clause
#include "judge/closer.hpp"

#include <algorithm>
#include <ranges>

namespace ksms {
namespace {

using Kind = TrailEvent::Kind;

/// What the packet was when it was last seen without another one around it, maybe at an earlier
/// router.
const TrailEvent* unwrapped(const OwnWay& way, const TrailEvent& event) {
    const TrailEvent* found = nullptr;
    for (const auto& visit : way.visits)
        for (const auto& each : visit.events) {
            if (!each.wrapped) found = &each;
            if (&each == &event) return found;
        }
    return found;
}

void add(const OwnWay& way, const TrailEvent& event, std::uint32_t ifindex, const SentAs& sent,
         Sighting& sighting) {
    if (sighting.packets++ == 0) {
        sighting.first = event.at;
        sighting.ifindex = ifindex;
    }
    sighting.last = event.at;
    sighting.seen_dscp = sent.dscp;
    const auto* seen = unwrapped(way, event);
    if (seen == nullptr) return;
    sighting.seen_dscp = seen->dscp;
    sighting.remarked = seen->dscp != sent.dscp;
    sighting.source_translated = seen->source != sent.source;
    sighting.destination_translated = seen->destination != sent.destination;
    sighting.translated = sighting.source_translated || sighting.destination_translated;
    if (!sighting.translated) return;
    sighting.source = seen->source.address;
    sighting.source_port = seen->source.port;
    sighting.destination = seen->destination.address;
    sighting.destination_port = seen->destination.port;
}

/// The device that a packet came into a router by is the one that its way names, not that bridge's
/// port.
std::uint32_t arrival(const Visit& visit, const TrailEvent& first, std::uint32_t planned) {
    const bool as_planned = std::ranges::any_of(visit.events, [&](const TrailEvent& event) {
        return event.kind == Kind::came_in && event.ifindex == planned;
    });
    return as_planned ? planned : first.ifindex;
}

/// The device that a packet left a router by is the one that its route names, not those below it
/// (of a bridge, a VLAN, a tunnel) or beside it (ifb).
const TrailEvent* departure(const Visit& visit, const std::vector<PlanInterface>& interfaces,
                            std::uint32_t planned) {
    const TrailEvent* found = nullptr;
    for (const auto& event : visit.events) {
        if (event.kind != Kind::went_out) continue;
        if (event.ifindex == planned) return &event;
        const bool known = std::ranges::find(interfaces, event.ifindex, &PlanInterface::ifindex) !=
                           interfaces.end();
        if (known || found == nullptr) found = &event;
    }
    return found;
}

class Closer {
public:
    Closer(const Plan& plan, std::uint32_t probe, const SentAs& sent, const OwnWay& way,
           ProbeEvidence& evidence)
        : plan_(plan),
          path_(plan.paths[plan.path_of[probe]]),
          entry_(plan.entries[plan.numbers().entry(probe)]),
          sent_(sent),
          way_(way),
          evidence_(evidence) {}

    void run() {
        evidence_.own = true;
        evidence_.held = way_.end == OwnWay::End::held;
        evidence_.undecided = false;
        for (auto& router : evidence_.routers) clear(router);
        evidence_.source = evidence_.destination = {};
        evidence_.source_drop = evidence_.destination_drop = evidence_.segment_drop = {};
        for (std::size_t i = 0; i < way_.visits.size(); ++i) visit(way_.visits[i], i);
    }

private:
    static void clear(RouterEvidence& router) {
        router.in_packets = router.in.packets;
        router.in_bytes = router.in.bytes;
        router.out_packets = router.out.packets;
        router.out_bytes = router.out.bytes;
        const auto strangers_in = router.in.strangers, strangers_out = router.out.strangers;
        router.in = router.out = {};
        router.in.strangers = strangers_in;
        router.out.strangers = strangers_out;
        router.drop = {};
        router.accepted = router.outer_accepted = false;
    }

    void visit(const Visit& visit, std::size_t place) {
        const bool last = place + 1 == way_.visits.size();
        bool known = false;
        if (place == 0 && !entry_.injection) known = at_source(visit);
        for (std::size_t i = 0; i < plan_.routers.size(); ++i)
            if (plan_.routers[i].netns.inode() == visit.netns)
                known = at_router(visit, i, place, last);
        for (std::size_t i = 0; i < plan_.destination_hosts.size(); ++i)
            if (plan_.destination_hosts[i].inode() == visit.netns) known = at_host(visit, i);
        if (const auto* drop = visit.last(Kind::dropped); !known && drop != nullptr)
            evidence_.segment_drop = drop->drop;
    }

    bool at_source(const Visit& visit) {
        if (const auto* out = departure(visit, entry_.interfaces, path_.leaves.ifindex))
            add(way_, *out, out->ifindex, sent_, evidence_.source);
        if (const auto* drop = visit.last(Kind::dropped)) evidence_.source_drop = drop->drop;
        return true;
    }

    [[nodiscard]] const PlanHop* hop(std::size_t router) const {
        const auto found = std::ranges::find(path_.hops, router, &PlanHop::router);
        return found == path_.hops.end() ? nullptr : &*found;
    }

    bool at_router(const Visit& visit, std::size_t router, std::size_t place, bool last) {
        auto& seen = evidence_.routers[router];
        const auto* planned = hop(router);
        const bool made_here = place == 0 && !entry_.injection;
        const auto ingress = planned == nullptr ? 0 : planned->ingress.ifindex;
        if (const auto* in = visit.first(Kind::came_in))
            add(way_, *in, arrival(visit, *in, ingress), sent_, seen.in);
        else if (!made_here && visit.last(Kind::dropped) != &visit.events.front())
            add(way_, visit.events.front(), ingress, sent_,
                seen.in);  // an upper device took it without a word (macvlan)
        const auto* drop = visit.last(Kind::dropped);
        if (drop != nullptr) seen.drop = drop->drop;
        if (const auto* end = visit.last_sight(); end != nullptr && end->kind == Kind::accepted)
            (end->wrapped ? seen.outer_accepted : seen.accepted) = true;
        if (const auto* routed = visit.last(Kind::routed)) {
            add(way_, *routed, routed->ifindex, sent_, seen.out);
            seen.out.packets = 0;  // where to, if it goes
        }
        if (drop != nullptr || (last && way_.end != OwnWay::End::sent_on)) return true;
        const auto* out = departure(visit, plan_.routers[router].interfaces,
                                    planned == nullptr ? 0 : planned->egress.ifindex);
        if (out != nullptr) {
            // What it carries when it is out of the router; on a tunnel's own device, when it came
            // there.
            add(way_, *out, out->ifindex, sent_, seen.out);
        } else if (!last) {
            add(way_, visit.events.back(), 0, sent_, seen.out);
        }
        return true;
    }

    bool at_host(const Visit& visit, std::size_t host) {
        evidence_.destination_host = host;
        // What comes in another packet has arrived when it is taken out of that.
        const auto arrived = std::ranges::find_if(visit.events, [](const TrailEvent& event) {
            return event.kind != Kind::dropped && !event.wrapped;
        });
        if (arrived != visit.events.end())
            add(way_, *arrived, arrived->ifindex, sent_, evidence_.destination);
        if (const auto* drop = visit.last(Kind::dropped)) {
            evidence_.destination_drop = drop->drop;
            // The port that nobody listens at is the outer packet's.
            if (drop->wrapped) evidence_.destination_drop.is.at_transport = false;
        }
        return true;
    }

    const Plan& plan_;
    const PlanPath& path_;
    const PlanEntry& entry_;
    const SentAs& sent_;
    const OwnWay& way_;
    ProbeEvidence& evidence_;
};

}  // namespace

Origin origin_of(const Plan& plan, std::size_t entry) {
    const auto& at = plan.entries[entry];
    return {at.netns.inode(), at.injection ? at.injection->interface.ifindex : 0};
}

void look_closer(const Plan& plan, std::uint32_t probe, const SentAs& sent, const OwnWay& way,
                 ProbeEvidence& evidence) {
    Closer(plan, probe, sent, way, evidence).run();
}

}  // namespace ksms
