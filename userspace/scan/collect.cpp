// SPDX-License-Identifier: BSD-2-Clause
#include "scan/collect.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "bpf/attach.hpp"
#include "scan/answer_text.hpp"

namespace ksms {

Name KernelNames::reason(std::uint32_t number) {
    if (const auto known = reasons_.find(number); known != reasons_.end()) return known->second;
    Name name;
    if (const auto found = objects_.reasons.lookup(number); found && *found) {
        const std::string_view text((*found)->name, strnlen((*found)->name, sizeof(*found)->name));
        if (text != "NOT_SPECIFIED") name = Name(text);
    }
    return reasons_.emplace(number, name).first->second;
}

bool KernelNames::is_for_want_of_room(std::uint32_t number) {
    // include/net/dropreason-core.h and dropreason-qdisc.h
    static constexpr std::string_view names[] = {
        "QDISC_DROP", "QDISC_OVERLIMIT", "QDISC_CONGESTED",  "QDISC_MAXFLOWS",  "QDISC_EDT_HORIZON",
        "CAKE_FLOOD", "FQ_BAND_LIMIT",   "FQ_HORIZON_LIMIT", "FQ_FLOW_LIMIT",   "CPU_BACKLOG",
        "FULL_RING",  "NOMEM",           "PROTO_MEM",        "NEIGH_QUEUEFULL", "SKB_UCOPY_FAULT"};
    const auto& name = reason(number).text();
    return std::ranges::find(names, std::string_view(name)) != std::end(names);
}

Name KernelNames::place(std::uint64_t address) {
    if (const auto known = places_.find(address); known != places_.end()) return known->second;
    ksms_symbol_call call{};
    call.address = address;
    Name name;
    const auto done = call_program(objects_.program(Program::symbol), &call, sizeof call);
    const std::string_view text(call.name, strnlen(call.name, sizeof call.name));
    if (done && *done == 0 && !text.starts_with("0x"))
        name = Name(text.substr(0, text.find_first_of(" +[")));
    return places_.emplace(address, name).first->second;
}

Sighting Collector::sighting(std::size_t slot, ksms_direction direction,
                             std::uint32_t probe) const {
    const auto counter = store_.counter(slot, direction, probe);
    Sighting result;
    result.strangers = counter.strangers;
    if (counter.packets == 0) return result;
    result.packets = counter.packets;
    result.bytes = counter.bytes;
    result.first_ns = counter.first_ns;
    result.last_ns = counter.last_ns;
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

DropEvidence Collector::drop(std::size_t slot, std::uint32_t probe) const {
    const auto seen = store_.drop(slot, probe);
    DropEvidence result;
    if (seen.count == 0) return result;
    result.count = seen.count;
    result.at_ns = seen.at_ns;
    result.reason = names_.reason(seen.reason);
    result.place = names_.place(seen.place);
    result.hook = seen.hook;
    // include/net/dropreason-core.h: delivered to the transport, which had nobody to give it to
    result.no_socket = result.reason == "NO_SOCKET" || result.reason == "TCP_CSUM" ||
                       result.reason == "TCP_FLAGS" || result.reason == "TCP_RESET" ||
                       result.reason == "SOCKET_RCVBUFF" || result.reason == "SOCKET_BACKLOG" ||
                       result.reason == "TCP_LISTEN_OVERFLOW";
    result.neighbour = result.reason == "NEIGH_FAILED" || result.reason == "NEIGH_QUEUEFULL" ||
                       result.reason == "NEIGH_CREATEFAIL" || result.reason == "NEIGH_DEAD";
    return result;
}

Name Collector::answer(std::size_t slot, std::uint32_t probe) const {
    const auto seen = store_.counter(slot, KSMS_EGRESS, probe);
    return answer_name(seen.answer, store_.header().source.family, seen.icmp_type, seen.icmp_code);
}

void Collector::collect_destination(std::uint32_t probe, ProbeEvidence& evidence) const {
    evidence.destination = {};
    evidence.destination_drop = {};
    evidence.destination_answer = {};
    for (std::size_t host = 0; host < sites_.host_slots.size(); ++host) {
        const auto slot = sites_.host_slots[host];
        const auto seen = sighting(slot, KSMS_INGRESS, probe);
        const auto dropped = drop(slot, probe);
        if (seen.packets == 0 && dropped.count == 0) continue;
        evidence.destination = seen;
        evidence.destination_drop = dropped;
        evidence.destination_answer = answer(slot, probe);
        evidence.destination_host = host;
    }
}

void Collector::collect(std::uint32_t probe, ProbeEvidence& evidence) const {
    const auto entry = probe / plan_.services();
    evidence.routers.resize(plan_.routers.size());
    for (std::size_t i = 0; i < plan_.routers.size(); ++i) {
        const auto slot = sites_.router_slots[i];
        auto& router = evidence.routers[i];
        router.in = sighting(slot, KSMS_INGRESS, probe);
        router.out = sighting(slot, KSMS_EGRESS, probe);
        router.drop = drop(slot, probe);
        router.unresolved = false;
        router.answer = answer(slot, probe);
    }
    evidence.source = sighting(sites_.entry_slots[entry], KSMS_EGRESS, probe);
    evidence.source_drop = drop(sites_.entry_slots[entry], probe);
    evidence.segment_drop = {};
    for (const auto slot : sites_.segment_slots)
        if (auto seen = drop(slot, probe); seen.count > 0) evidence.segment_drop = seen;
    collect_destination(probe, evidence);
}

}  // namespace ksms
