// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/collector.hpp"

#include <sys/socket.h>

#include <cstring>
#include <string_view>

#include "bpf/attach.hpp"

namespace ksms {

const KernelNames::Reason& KernelNames::reason(std::uint32_t number) {
    if (const auto known = reasons_.find(number); known != reasons_.end()) return known->second;
    std::string name;
    if (const auto found = objects_.reasons.lookup(number); found && *found) {
        const std::string_view text((*found)->name, strnlen((*found)->name, sizeof(*found)->name));
        if (text != "NOT_SPECIFIED") name = text;
    }
    return reasons_.emplace(number, Reason{words_.add(name), classify_drop(name, {})})
        .first->second;
}

KernelWords::Index KernelNames::place(std::uint64_t address) {
    if (const auto known = places_.find(address); known != places_.end()) return known->second;
    ksms_symbol_call call{};
    call.address = address;
    std::string name;
    const auto done = call_program(objects_.program(Program::symbol), &call, sizeof call);
    const std::string_view text(call.name, strnlen(call.name, sizeof call.name));
    if (done && *done == 0 && !text.starts_with("0x"))
        name = text.substr(0, text.find_first_of(" +["));
    return places_.emplace(address, words_.add(name)).first->second;
}

void KernelNames::name(std::uint32_t number, std::uint64_t address, Drop& drop) {
    const auto& why = reason(number);
    drop.reason = why.word;
    drop.place = place(address);
    // The place alone tells where the kernel gave no reason.
    drop.is = why.is.kind == DropKind::unnamed ? classify_drop({}, words_[drop.place]) : why.is;
}

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
        router.accepted = false;
    }
    evidence.source = sighting(slots_.entry_slots[entry], KSMS_EGRESS, probe);
    evidence.source_drop = drop(slots_.entry_slots[entry], probe);
    evidence.segment_drop = {};
    for (const auto slot : slots_.segment_slots)
        if (auto seen = drop(slot, probe); seen.count > 0) evidence.segment_drop = seen;
    collect_destination(probe, evidence);
}

}  // namespace ksms
