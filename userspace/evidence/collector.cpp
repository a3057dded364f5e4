// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/collector.hpp"

#include <sys/socket.h>

namespace ksms {

Sighting Collector::sighting(std::size_t slot, ksms_direction direction,
                             std::uint32_t probe) const {
    const auto counter = store_.counter(slot, direction, probe);
    Sighting result;
    result.strangers = counter.strangers;
    if (counter.packets == 0) return result;
    result.packets = counter.packets;
    result.bytes = counter.bytes;
    result.first = instant(counter.first_ns);
    result.last = instant(counter.last_ns);
    result.ifindex = counter.ifindex;
    result.seen_dscp = counter.seen_dscp;
    result.remarked = (counter.flags & KSMS_SEEN_REMARKED) != 0;
    if ((counter.flags & KSMS_SEEN_TRANSLATED) == 0) return result;
    const auto changed = store_.translation(slot, direction, probe);
    if (!changed) return result;
    const auto& header = store_.header();
    const auto& service = store_.service(probe);
    const int family = changed->family == 4 ? AF_INET : AF_INET6;
    result.translated = true;
    result.source = Address::from_bytes(family, changed->source);
    result.destination = Address::from_bytes(family, changed->destination);
    result.source_port = changed->source_port;
    result.destination_port = changed->destination_port;
    result.source_translated =
        result.source != header.source || result.source_port != store_.source_port(probe);
    result.destination_translated =
        result.destination != header.destination || result.destination_port != service.port;
    return result;
}

Drop Collector::drop(std::size_t slot, std::uint32_t probe) const {
    const auto seen = store_.drop(slot, probe);
    Drop result;
    if (seen.count == 0) return result;
    result.count = seen.count;
    result.at = instant(seen.at_ns);
    result.hook = seen.hook;
    names_.name(seen, result);
    return result;
}

Reply Collector::reply(std::size_t slot, std::uint32_t probe) const {
    const auto seen = store_.counter(slot, KSMS_EGRESS, probe);
    return reply_of(seen.answer, store_.header().source.family, seen.icmp_type, seen.icmp_code);
}

void Collector::collect_destination(std::uint32_t probe, ProbeEvidence& evidence) const {
    evidence.destination = {};
    evidence.destination_drop = {};
    evidence.destination_reply = {};
    for (std::size_t host = 0; host < slots_.host_slots.size(); ++host) {
        const auto slot = slots_.host_slots[host];
        const auto seen = sighting(slot, KSMS_INGRESS, probe);
        const auto dropped = drop(slot, probe);
        if (seen.packets == 0 && dropped.count == 0) continue;
        evidence.destination = seen;
        evidence.destination_drop = dropped;
        evidence.destination_reply = reply(slot, probe);
        evidence.destination_host = host;
    }
}

void Collector::collect(std::uint32_t probe, ProbeEvidence& evidence) const {
    const auto given = arrivals_.given_to(probe);
    collect_packets(given.probe, evidence);
    evidence.probe = given.probe;
    evidence.given_another = given.another;
    if (given.another) evidence.forget_sights();
    if (given.probe != probe)
        evidence.begin_at(plan_.paths[plan_.path_of[probe]].hops.front().router);
}

void Collector::collect_packets(std::uint32_t probe, ProbeEvidence& evidence) const {
    const auto entry = plan_.numbers().entry(probe);
    evidence.own = evidence.held = false;
    evidence.routers.resize(plan_.routers.size());
    for (std::size_t i = 0; i < plan_.routers.size(); ++i) {
        const auto slot = slots_.router_slots[i];
        auto& router = evidence.routers[i];
        router.in = sighting(slot, KSMS_INGRESS, probe);
        router.out = sighting(slot, KSMS_EGRESS, probe);
        router.drop = drop(slot, probe);
        router.reply = reply(slot, probe);
        router.accepted = router.outer_accepted = false;
    }
    evidence.source = sighting(slots_.entry_slots[entry], KSMS_EGRESS, probe);
    evidence.source_drop = drop(slots_.entry_slots[entry], probe);
    evidence.segment_drop = {};
    for (const auto slot : slots_.segment_slots)
        if (auto seen = drop(slot, probe); seen.count > 0) evidence.segment_drop = seen;
    collect_destination(probe, evidence);
}

}  // namespace ksms
