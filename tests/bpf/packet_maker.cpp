// SPDX-License-Identifier: BSD-2-Clause
#include "packet_maker.hpp"

#include <algorithm>
#include <array>

namespace ksms::test {

PacketMaker::PacketMaker(const Bench& bench, const std::vector<ScanSpec>& scans) {
    for (const ScanSpec& scan : scans) {
        for (std::uint32_t entry = 0; entry < scan.entries; entry++)
            for (std::uint32_t i = 0; i < scan.services.size(); i++)
                probes_.push_back(bench.probe_of(scan, entry, i));
        ScanSpec other = scan;
        for (const std::uint32_t generation : {scan.generation, scan.generation + 1, 0U}) {
            other.generation = generation;
            for (std::uint32_t probe = 0; probe < scan.probes() + 2; probe++)
                tokens_.push_back(bench.seal(other, probe));
        }
    }
}

std::uint16_t PacketMaker::word() {
    static const std::vector<std::uint16_t> interesting{
        0,  1,  7,      8,      15,  16,  19,   20,   27,     28,     39,     40,
        41, 60, 0x0fff, 0x1fff, 255, 256, 1480, 1500, 0x7fff, 0x8000, 0xfffe, 0xffff};
    return one_in(2) ? any(interesting) : static_cast<std::uint16_t>(random_());
}

void PacketMaker::change_link(PacketSpec& packet) {
    static const std::vector<std::uint16_t> tags{0x8100, 0x88a8, 0x8100, 0x9100};
    static const std::vector<std::uint16_t> types{0x0800, 0x86dd, 0x0806, 0x8847,
                                                  0x0040, 0x8100, 0x88a8};
    if (one_in(3))
        for (std::uint32_t left = 1 + below(3); left > 0; left--) packet.tags.push_back(any(tags));
    if (one_in(12)) packet.ether_type = any(types);
    if (one_in(12))
        for (auto& octet_of_mac : packet.destination_mac) octet_of_mac = octet();
    if (one_in(30)) packet.destination_mac.fill(0xff);
    if (one_in(6)) packet.padding = static_cast<std::uint16_t>(below(30));
}

void PacketMaker::change_ip(PacketSpec& packet) {
    if (one_in(40)) packet.version = octet() & 15;
    if (one_in(40)) packet.family = packet.family == 4 ? 6 : 4;
    if (one_in(4)) packet.ttl = octet();
    if (one_in(4)) packet.dscp = octet() & 63;
    if (one_in(8)) packet.dscp = any(probes_).dscp;
    if (one_in(4)) packet.ihl = static_cast<std::uint8_t>(5 + below(11));
    if (one_in(40)) packet.ihl = static_cast<std::uint8_t>(below(6));
    if (one_in(8))
        packet.fragment = static_cast<std::uint16_t>(one_in(2) ? below(8) << 13 : word());
    if (one_in(16)) packet.length = word();
    if (one_in(10)) {
        // Around the sizes that the headers have.
        const std::uint32_t usual = packet.family == 4 ? 40 : 20;
        packet.length = static_cast<std::uint16_t>(usual - 12 + below(40));
    }
    if (packet.family == 6 && one_in(2)) change_extensions(packet);
}

void PacketMaker::change_extensions(PacketSpec& packet) {
    static const std::vector<std::uint8_t> kinds{IPPROTO_HOPOPTS,  IPPROTO_ROUTING, IPPROTO_DSTOPTS,
                                                 IPPROTO_FRAGMENT, IPPROTO_AH,      135,
                                                 IPPROTO_ESP};
    static const std::vector<std::uint16_t> fragments{0, 1, 6, 7, 8, 9, 0x1480, 0xfff8};
    const std::uint32_t count = one_in(6) ? 6 + below(5) : 1 + below(3);
    for (std::uint32_t i = 0; i < count; i++) {
        IPv6Extension one{.kind = kinds[below(one_in(12) ? 7 : 5)]};
        one.units = static_cast<std::uint8_t>(one_in(3) ? below(5) : 0);
        if (one_in(25)) one.length = octet();
        if (one.kind == IPPROTO_FRAGMENT)
            one.fragment = one_in(4) ? word() : fragments[below(one_in(4) ? 8 : 4)];
        packet.extensions.push_back(one);
    }
}

void PacketMaker::change_transport(PacketSpec& packet) {
    static const std::vector<std::uint8_t> protocols{
        IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_NONE, 132, IPPROTO_IPIP};
    if (one_in(20)) packet.protocol = any(protocols);
    if (one_in(8)) packet.source_port = word();
    if (one_in(8)) packet.destination_port = one_in(2) ? word() : any(probes_).destination_port;
    if (one_in(8)) packet.flags = octet();
    if (one_in(10)) packet.doff = octet() & 15;
    if (one_in(20)) packet.magic ^= 1U << below(32);
    if (one_in(6)) packet.payload = static_cast<std::uint16_t>(one_in(8) ? below(1400) : below(40));
    if (one_in(10)) packet.udp_length = one_in(2) ? word() : static_cast<std::uint16_t>(below(40));
}

void PacketMaker::change_owner(PacketSpec& packet) {
    if (one_in(6)) packet.token = any(tokens_);
    if (one_in(12)) packet.token ^= 1U << below(32);
    if (one_in(6)) packet.source = any(probes_).destination;
    if (one_in(6)) packet.destination = any(probes_).source;
    if (one_in(8)) packet.source[below(16)] ^= octet();
    if (one_in(8)) packet.destination[below(16)] ^= octet();
    if (one_in(20)) {  // nothing of it is what was sent
        packet.source.fill(7);
        packet.destination.fill(8);
        packet.source_port ^= 1;
        if (!one_in(3)) packet.destination_port ^= 1;
    }
    if (one_in(3)) packet.stamp = one_in(8) ? word() : packet.token | 1;
}

void PacketMaker::damage(Bytes& frame) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    if (one_in(3))
        for (std::uint32_t left = 1 + below(4); left > 0; left--) {
            std::uint8_t& at = frame[12 + below(std::min(size, 110U) - 12)];
            at = one_in(2) ? static_cast<std::uint8_t>(at ^ 1U << below(8)) : octet();
        }
    if (one_in(8)) frame.resize(15 + below(size - 14));
    if (one_in(40)) {
        const auto at = frame.begin() + 12 + below(static_cast<std::uint32_t>(frame.size()) - 12);
        if (one_in(2))
            frame.insert(at, 1 + below(8), octet());
        else if (frame.size() > 24)
            frame.erase(at, std::min(at + 1 + below(8), frame.end()));
    }
    frame.resize(std::max<std::size_t>(frame.size(), 15));
}

Bytes PacketMaker::next() {
    PacketSpec packet = any(probes_);
    if (!one_in(3)) change_link(packet);
    if (!one_in(3)) change_ip(packet);
    if (!one_in(3)) change_transport(packet);
    if (!one_in(3)) change_owner(packet);
    Bytes frame = build(packet).frame;
    for (std::size_t tag = 0; tag < packet.tags.size(); tag++)  // priority and VLAN
        if (one_in(2)) frame[14 + 4 * tag] = octet();
    if (one_in(2)) damage(frame);
    return frame;
}

}  // namespace ksms::test
