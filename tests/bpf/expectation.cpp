// SPDX-License-Identifier: BSD-2-Clause
#include "expectation.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ksms::test {
namespace {

constexpr std::uint8_t fin_bit = 1, syn_bit = 2, rst_bit = 4, ack_bit = 16;

/// A SYN that asks, or the magic word and a token.
std::optional<std::uint32_t> token_of(const Parsed& packet) {
    if (packet.protocol == IPPROTO_TCP)
        return (packet.tcp_flags & (fin_bit | syn_bit | rst_bit | ack_bit)) == syn_bit
                   ? std::optional(packet.sequence)
                   : std::nullopt;
    if (packet.payload.size() < 8) return std::nullopt;
    const auto at = [&](std::size_t i) { return std::uint32_t{packet.payload[i]}; };
    const auto word = [&](std::size_t i) {
        return at(i) << 24U | at(i + 1) << 16U | at(i + 2) << 8U | at(i + 3);
    };
    return word(0) == KSMS_PAYLOAD_MAGIC ? std::optional(word(4)) : std::nullopt;
}

bool answers(const Parsed& packet) {
    const bool syn_ack = (packet.tcp_flags & syn_bit) != 0 && (packet.tcp_flags & ack_bit) != 0;
    return packet.protocol == IPPROTO_TCP && ((packet.tcp_flags & rst_bit) != 0 || syn_ack);
}

/// To another Ethernet address than the loopback device's, which is all zeros, and to no group.
bool for_another(const Bytes& frame) {
    return (frame[0] & 1) == 0 &&
           std::any_of(frame.begin(), frame.begin() + 6, [](int octet) { return octet != 0; });
}

std::array<std::uint8_t, 16> of_family(std::array<std::uint8_t, 16> address, int family) {
    if (family == 4) std::fill(address.begin() + 4, address.end(), std::uint8_t{0});
    return address;
}

}  // namespace

Expecting::Expecting(const Bench& bench, std::vector<ScanSpec> scans) : scans_(std::move(scans)) {
    for (std::size_t at = 0; at < scans_.size(); at++) {
        ScanSpec scan = scans_[at];
        auto& sent = sent_.emplace_back();
        for (std::uint32_t i = 0; i < scan.services.size(); i++)
            sent.push_back(bench.probe_of(scan, 0, i));
        const std::uint32_t current = scan.generation;
        for (std::uint32_t check = 0; check < 256; check++) {
            scan.generation = check;
            for (std::uint32_t probe = 0; probe < scan.probes(); probe++)
                tokens_[bench.seal(scan, probe)] = {at, probe, check == current % 256};
        }
    }
}

bool Expecting::has_scan(std::uint32_t dscp) const {
    return std::ranges::find(scans_, dscp, &ScanSpec::dscp) != scans_.end();
}

/// Addresses, ports, timestamp and DSCP: not one is as it was sent. A datagram has enough in its
/// content.
bool Expecting::nothing_is_left(const Parsed& packet, const PacketSpec& sent) const {
    return packet.protocol == IPPROTO_TCP && packet.dscp != sent.dscp && !packet.repeats_sequence &&
           packet.source != of_family(sent.source, packet.family) &&
           packet.destination != of_family(sent.destination, packet.family) &&
           packet.source_port != sent.source_port &&
           packet.destination_port != sent.destination_port;
}

/// A datagram that comes from where the probe went, or goes to where it came from, by one of its
/// ports at least; not one that was only translated so.
bool Expecting::is_echo(const Parsed& packet, const PacketSpec& sent) {
    const auto from = of_family(sent.source, packet.family),
               to = of_family(sent.destination, packet.family);
    const bool back_from = packet.source == to && packet.destination != to;
    const bool back_to = packet.destination == from && packet.source != from && packet.source != to;
    const bool back_by_port =
        packet.source_port == sent.destination_port || packet.destination_port == sent.source_port;
    return packet.protocol == IPPROTO_UDP && (back_from || back_to) && back_by_port;
}

std::optional<ProbeKey> Expecting::probe_of(const Parsed& packet, Expectation& to) const {
    const auto sealed = token_of(packet);
    const auto token = sealed ? tokens_.find(*sealed) : tokens_.end();
    if (token == tokens_.end()) return std::nullopt;
    const auto& [at, probe, current] = token->second;
    const ScanSpec& scan = scans_[at];
    if (packet.family != scan.family) return std::nullopt;
    const auto services = static_cast<std::uint32_t>(scan.services.size());
    const PacketSpec& sent = sent_[at][probe % services];
    if (!current) {
        to.stats[KSMS_STAT_STALE] +=
            packet.source == of_family(sent.source, packet.family) &&
            packet.destination == of_family(sent.destination, packet.family);
        return std::nullopt;
    }
    if (packet.protocol != sent.protocol || nothing_is_left(packet, sent) || is_echo(packet, sent))
        return std::nullopt;
    return ProbeKey{at, probe / services, probe % services};
}

std::optional<ProbeKey> Expecting::stranger_of(const Parsed& packet) const {
    const auto scan = std::ranges::find(scans_, packet.dscp, &ScanSpec::dscp);
    if (scan == scans_.end() || answers(packet)) return std::nullopt;
    const Service service{packet.protocol, packet.destination_port};
    const auto asked = std::ranges::find(scan->services, service);
    if (asked == scan->services.end()) return std::nullopt;
    return ProbeKey{scan - scans_.begin(), 0, asked - scan->services.begin()};
}

void Expecting::count(Expectation& to, const Parsed& packet, const ProbeKey& key) const {
    const auto& [at, entry, service] = key;
    const PacketSpec& sent = sent_[at][service];
    auto& counter = to.counters[key];
    counter.packets++;
    counter.bytes += packet.length;
    counter.seen_port = packet.destination_port;
    counter.seen_dscp = packet.dscp;
    counter.ttl = packet.hop_limit;
    if (packet.dscp != scans_[at].dscp) counter.flags |= KSMS_SEEN_REMARKED;
    if (packet.first_fragment) counter.flags |= KSMS_SEEN_FRAGMENT;
    if (packet.tagged) counter.flags |= KSMS_SEEN_VLAN;
    if (packet.source != of_family(sent.source, packet.family) ||
        packet.destination != of_family(sent.destination, packet.family) ||
        packet.source_port != sent.source_port ||
        packet.destination_port != sent.destination_port) {
        counter.flags |= KSMS_SEEN_TRANSLATED;
        auto& last = to.translations[key] = packet;
        last.payload = {};
    }
}

void Expecting::add(Expectation& to, const TapProgram& program, std::uint32_t counted,
                    const Bytes& frame) const {
    if (program.direction == KSMS_INGRESS && for_another(frame)) return;
    const auto packet =
        parse_by_rfc(frame, program.kind == KSMS_TAP_XDP ? FrameOf::xdp : FrameOf::skb);
    if (packet.kind == Kind::not_ip) return;
    const auto own =
        packet.kind == Kind::transport ? probe_of(packet, to) : std::optional<ProbeKey>();
    if (packet.kind == Kind::unparsable || (own && !packet.complete)) {
        to.unparsable++;
        to.stats[KSMS_STAT_UNPARSABLE]++;
        return;
    }
    const std::uint32_t dscp = own ? scans_[std::get<0>(*own)].dscp : packet.dscp;
    if (!has_scan(dscp) || (program.kind == KSMS_TAP_CLSACT && dscp != counted)) return;
    to.packets++;
    if (packet.kind == Kind::fragment) {
        to.fragments++;
        to.stats[KSMS_STAT_FRAGMENT]++;
    } else if (own) {
        to.own++;
        count(to, packet, *own);
    } else if (packet.kind == Kind::transport) {
        const auto stranger = stranger_of(packet);
        to.strangers += stranger.has_value();
        if (stranger) to.counters[*stranger].strangers++;
    }
}

Expectation Expecting::read(const Bench& bench, const TapProgram& program) const {
    Expectation result;
    const ksms_tap tap = bench.tap_figures(program);
    result.packets = tap.packets;
    result.own = tap.own;
    result.strangers = tap.strangers;
    result.unparsable = tap.unparsable;
    result.fragments = tap.fragments;
    for (std::uint32_t which = 0; which < KSMS_STATS; which++)
        result.stats[which] = bench.stat(static_cast<ksms_stat>(which));
    for (std::size_t at = 0; at < scans_.size(); at++)
        for (std::uint32_t entry = 0; entry < scans_[at].entries; entry++)
            for (std::uint32_t i = 0; i < scans_[at].services.size(); i++) {
                const auto seen =
                    bench.counter(scans_[at], program.direction, entry, scans_[at].services[i]);
                if (!seen) continue;
                result.counters[{at, entry, i}] = {
                    seen->packets,   seen->bytes, seen->strangers, seen->seen_port,
                    seen->seen_dscp, seen->ttl,   seen->flags};
            }
    return result;
}

std::string Expecting::wrong_translation(const Bench& bench, const TapProgram& program,
                                         const Expectation& expected) const {
    for (const auto& [key, packet] : expected.translations) {
        const auto& [at, entry, service] = key;
        const auto seen =
            bench.translation(scans_[at], program.direction, entry, scans_[at].services[service]);
        const bool right = seen && std::ranges::equal(seen->source, packet.source) &&
                           std::ranges::equal(seen->destination, packet.destination) &&
                           seen->source_port == packet.source_port &&
                           seen->destination_port == packet.destination_port &&
                           seen->family == packet.family;
        if (!right) return fmt::format("translation of probe {}/{}/{}\n", at, entry, service);
    }
    return {};
}

std::string Expectation::difference(const Expectation& other) const {
    std::string text;
    const auto figure = [&](const std::string& name, std::uint64_t mine, std::uint64_t theirs) {
        if (mine != theirs) text += fmt::format("{}: {}, not {}\n", name, theirs, mine);
    };
    figure("packets", packets, other.packets);
    figure("own", own, other.own);
    figure("strangers", strangers, other.strangers);
    figure("unparsable", unparsable, other.unparsable);
    figure("fragments", fragments, other.fragments);
    for (std::size_t which = 0; which < stats.size(); which++)
        figure(fmt::format("stats[{}]", which), stats[which], other.stats[which]);
    auto keys = counters;
    keys.insert(other.counters.begin(), other.counters.end());
    for (const auto& [key, ignored] : keys) {
        const auto find = [&key = key](const auto& of) {
            const auto found = of.find(key);
            return found == of.end() ? ExpectedCounter{} : found->second;
        };
        const auto mine = find(counters), theirs = find(other.counters);
        const auto name =
            fmt::format("probe {}/{}/{} ", std::get<0>(key), std::get<1>(key), std::get<2>(key));
        figure(name + "packets", mine.packets, theirs.packets);
        figure(name + "bytes", mine.bytes, theirs.bytes);
        figure(name + "strangers", mine.strangers, theirs.strangers);
        figure(name + "seen_port", mine.seen_port, theirs.seen_port);
        figure(name + "seen_dscp", mine.seen_dscp, theirs.seen_dscp);
        figure(name + "ttl", mine.ttl, theirs.ttl);
        figure(name + "flags", mine.flags, theirs.flags);
    }
    return text;
}

}  // namespace ksms::test
