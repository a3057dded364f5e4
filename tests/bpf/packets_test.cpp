// SPDX-License-Identifier: BSD-2-Clause
// Every kind of packet through every tap, with both forms of the maps.
#include <catch2/catch.hpp>

#include "bench.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

enum class Seen { own, stranger, fragment, unparsable, nothing };

struct Row {
    const char* what;
    void (*change)(PacketSpec&);  ///< applied to a probe
    Seen seen;
    unsigned flags{0};
};

enum { VLAN = 0x8100, SERVICE_VLAN = 0x88a8, MORE_FRAGMENTS = 0x2000, DO_NOT_FRAGMENT = 0x4000 };

const std::vector<Row> tcp_rows{
    {"a plain SYN", [](PacketSpec&) {}, Seen::own},
    {"padded to Ethernet's minimum", [](PacketSpec& p) { p.padding = 6; }, Seen::own},
    {"one VLAN tag", [](PacketSpec& p) { p.tags = {VLAN}; }, Seen::own, KSMS_SEEN_VLAN},
    {"QinQ", [](PacketSpec& p) { p.tags = {SERVICE_VLAN, VLAN}; }, Seen::own, KSMS_SEEN_VLAN},
    {"three VLAN tags", [](PacketSpec& p) { p.tags = {VLAN, VLAN, VLAN}; }, Seen::nothing},
    {"DSCP cleared", [](PacketSpec& p) { p.dscp = 0; }, Seen::own, KSMS_SEEN_REMARKED},
    {"DSCP rewritten", [](PacketSpec& p) { p.dscp = 63; }, Seen::own, KSMS_SEEN_REMARKED},
    {"hop limit 1", [](PacketSpec& p) { p.ttl = 1; }, Seen::own},
    {"ECN", [](PacketSpec& p) { p.flags = syn | 0x40 | 0x80; }, Seen::own},
    {"a TCP header that would end behind the packet", [](PacketSpec& p) { p.doff = 15; },
     Seen::own},
    {"SYN+ACK", [](PacketSpec& p) { p.flags = syn | ack; }, Seen::nothing},
    {"RST", [](PacketSpec& p) { p.flags = rst; }, Seen::nothing},
    {"RST+ACK", [](PacketSpec& p) { p.flags = rst | ack; }, Seen::nothing},
    {"SYN+RST", [](PacketSpec& p) { p.flags = syn | rst; }, Seen::nothing},
    {"SYN+FIN", [](PacketSpec& p) { p.flags = syn | fin; }, Seen::stranger},
    {"ACK", [](PacketSpec& p) { p.flags = ack; }, Seen::stranger},
    {"no flags", [](PacketSpec& p) { p.flags = 0; }, Seen::stranger},
    {"TCP header too short", [](PacketSpec& p) { p.doff = 4; }, Seen::unparsable},
    {"another token", [](PacketSpec& p) { p.token ^= 1; }, Seen::stranger},
    {"another token and another port",
     [](PacketSpec& p) {
         p.token ^= 1;
         p.destination_port = 81;
     },
     Seen::nothing},
    {"another token and no DSCP",
     [](PacketSpec& p) {
         p.token ^= 1;
         p.dscp = 0;
     },
     Seen::nothing},
    {"ARP", [](PacketSpec& p) { p.ether_type = 0x0806; }, Seen::nothing},
    {"MPLS", [](PacketSpec& p) { p.ether_type = 0x8847; }, Seen::nothing},
};

const std::vector<Row> udp_rows{
    {"a plain datagram", [](PacketSpec&) {}, Seen::own},
    {"a VLAN tag", [](PacketSpec& p) { p.tags = {VLAN}; }, Seen::own, KSMS_SEEN_VLAN},
    {"DSCP cleared", [](PacketSpec& p) { p.dscp = 0; }, Seen::own, KSMS_SEEN_REMARKED},
    {"magic and token, no more", [](PacketSpec& p) { p.payload = 8; }, Seen::own},
    {"half a token", [](PacketSpec& p) { p.payload = 6; }, Seen::stranger},
    {"no payload", [](PacketSpec& p) { p.payload = 0; }, Seen::stranger},
    {"other magic", [](PacketSpec& p) { p.magic ^= 1; }, Seen::stranger},
    {"another token", [](PacketSpec& p) { p.token ^= 1; }, Seen::stranger},
    {"a length that ends before the token", [](PacketSpec& p) { p.udp_length = 12; },
     Seen::stranger},
    {"a length below its own header", [](PacketSpec& p) { p.udp_length = 7; }, Seen::unparsable},
    {"a token behind the end of IP",
     [](PacketSpec& p) {
         p.length = p.family == 4 ? 28 : 8;
         p.udp_length = 24;
     },
     Seen::stranger},
};

const std::vector<Row> ipv4_rows{
    {"4 bytes of options", [](PacketSpec& p) { p.ihl = 6; }, Seen::own},
    {"8 bytes of options", [](PacketSpec& p) { p.ihl = 7; }, Seen::own},
    {"12 bytes of options", [](PacketSpec& p) { p.ihl = 8; }, Seen::own},
    {"16 bytes of options", [](PacketSpec& p) { p.ihl = 9; }, Seen::own},
    {"20 bytes of options", [](PacketSpec& p) { p.ihl = 10; }, Seen::own},
    {"24 bytes of options", [](PacketSpec& p) { p.ihl = 11; }, Seen::own},
    {"28 bytes of options", [](PacketSpec& p) { p.ihl = 12; }, Seen::own},
    {"32 bytes of options", [](PacketSpec& p) { p.ihl = 13; }, Seen::own},
    {"36 bytes of options", [](PacketSpec& p) { p.ihl = 14; }, Seen::own},
    {"40 bytes of options", [](PacketSpec& p) { p.ihl = 15; }, Seen::own},
    {"ihl 4", [](PacketSpec& p) { p.ihl = 4; }, Seen::unparsable},
    {"ihl 0", [](PacketSpec& p) { p.ihl = 0; }, Seen::unparsable},
    {"version 5", [](PacketSpec& p) { p.version = 5; }, Seen::unparsable},
    {"version 6", [](PacketSpec& p) { p.version = 6; }, Seen::unparsable},
    {"a total length of 0", [](PacketSpec& p) { p.length = 0; }, Seen::unparsable},
    {"a total length below its own header", [](PacketSpec& p) { p.length = 19; }, Seen::unparsable},
    {"a total length that ends in the TCP header", [](PacketSpec& p) { p.length = 39; },
     Seen::unparsable},
    {"a total length behind the end", [](PacketSpec& p) { p.length = 41; }, Seen::unparsable},
    {"the greatest total length", [](PacketSpec& p) { p.length = 65535; }, Seen::unparsable},
    {"not to be fragmented", [](PacketSpec& p) { p.fragment = DO_NOT_FRAGMENT; }, Seen::own},
    {"the first fragment", [](PacketSpec& p) { p.fragment = MORE_FRAGMENTS; }, Seen::own,
     KSMS_SEEN_FRAGMENT},
    {"a later fragment", [](PacketSpec& p) { p.fragment = MORE_FRAGMENTS | 3; }, Seen::fragment},
    {"the last fragment", [](PacketSpec& p) { p.fragment = 185; }, Seen::fragment},
    {"a later fragment without DSCP",
     [](PacketSpec& p) {
         p.fragment = 185;
         p.dscp = 0;
     },
     Seen::nothing},
    {"a first fragment that ends in the TCP header",
     [](PacketSpec& p) {
         p.fragment = MORE_FRAGMENTS;
         p.length = 36;
     },
     Seen::unparsable},
    {"ICMP", [](PacketSpec& p) { p.protocol = IPPROTO_ICMP; }, Seen::nothing},
    {"ESP", [](PacketSpec& p) { p.protocol = IPPROTO_ESP; }, Seen::nothing},
    {"a tag, then ARP's EtherType",
     [](PacketSpec& p) {
         p.tags = {VLAN};
         p.ether_type = 0x0806;
     },
     Seen::nothing},
};

void extend(PacketSpec& packet, std::size_t count) {
    packet.extensions.assign(count, IPv6Extension{.kind = IPPROTO_DSTOPTS});
}

const std::vector<Row> ipv6_rows{
    {"hop-by-hop options", [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_HOPOPTS}}; },
     Seen::own},
    {"a routing header", [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_ROUTING}}; },
     Seen::own},
    {"destination options", [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_DSTOPTS}}; },
     Seen::own},
    {"an authentication header", [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_AH}}; },
     Seen::own},
    {"long extension headers",
     [](PacketSpec& p) {
         p.extensions = {{.kind = IPPROTO_HOPOPTS, .units = 3},
                         {.kind = IPPROTO_AH, .units = 5},
                         {.kind = IPPROTO_ROUTING, .units = 4}};
     },
     Seen::own},
    {"one of each, in RFC 8200's order",
     [](PacketSpec& p) {
         p.extensions = {{.kind = IPPROTO_HOPOPTS}, {.kind = IPPROTO_DSTOPTS},
                         {.kind = IPPROTO_ROUTING}, {.kind = IPPROTO_FRAGMENT},
                         {.kind = IPPROTO_AH},      {.kind = IPPROTO_DSTOPTS}};
     },
     Seen::own},
    {"eight extension headers", [](PacketSpec& p) { extend(p, 8); }, Seen::own},
    {"nine extension headers", [](PacketSpec& p) { extend(p, 9); }, Seen::unparsable},
    {"forty extension headers", [](PacketSpec& p) { extend(p, 40); }, Seen::unparsable},
    {"an extension header that ends behind the packet",
     [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_DSTOPTS, .length = 255}}; },
     Seen::unparsable},
    {"a fragment header and nothing to fragment (RFC 6946)",
     [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_FRAGMENT}}; }, Seen::own},
    {"the first fragment",
     [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_FRAGMENT, .fragment = 1}}; }, Seen::own,
     KSMS_SEEN_FRAGMENT},
    {"a later fragment",
     [](PacketSpec& p) { p.extensions = {{.kind = IPPROTO_FRAGMENT, .fragment = 8 | 1}}; },
     Seen::fragment},
    {"the last fragment, behind options",
     [](PacketSpec& p) {
         p.extensions = {{.kind = IPPROTO_HOPOPTS}, {.kind = IPPROTO_FRAGMENT, .fragment = 1480}};
     },
     Seen::fragment},
    {"ESP", [](PacketSpec& p) { p.protocol = IPPROTO_ESP; }, Seen::nothing},
    {"no next header", [](PacketSpec& p) { p.protocol = IPPROTO_NONE; }, Seen::nothing},
    {"ICMPv6", [](PacketSpec& p) { p.protocol = IPPROTO_ICMPV6; }, Seen::nothing},
    {"version 4", [](PacketSpec& p) { p.version = 4; }, Seen::unparsable},
    {"version 7", [](PacketSpec& p) { p.version = 7; }, Seen::unparsable},
    {"a jumbogram",
     [](PacketSpec& p) {
         p.extensions = {{.kind = IPPROTO_HOPOPTS}};
         p.length = 0;
     },
     Seen::unparsable},
    {"a payload length of 0", [](PacketSpec& p) { p.length = 0; }, Seen::unparsable},
    {"a payload length that ends in the TCP header", [](PacketSpec& p) { p.length = 19; },
     Seen::unparsable},
    {"a payload length behind the end", [](PacketSpec& p) { p.length = 21; }, Seen::unparsable},
};

void check_counter(const Bench& bench, const TapProgram& program, const ScanSpec& scan,
                   const PacketSpec& packet, std::uint32_t bytes, unsigned flags) {
    const Service service{packet.protocol, packet.destination_port};
    const auto counter = bench.counter(scan, program.direction, 1, service);
    REQUIRE(counter);
    CHECK(counter->packets == 1);
    CHECK(counter->bytes == bytes);
    CHECK(counter->first_ns != 0);
    CHECK(counter->last_ns == counter->first_ns);
    CHECK(counter->strangers == 0);
    CHECK(counter->ifindex == 1);
    CHECK(counter->router == bench.router());
    CHECK(counter->port == packet.destination_port);
    CHECK(counter->seen_port == packet.destination_port);
    CHECK(counter->entry == 1);
    CHECK(counter->dscp == scan.dscp);
    CHECK(counter->protocol == packet.protocol);
    CHECK(counter->direction == program.direction);
    CHECK(counter->seen_dscp == packet.dscp);
    CHECK(counter->flags == flags);
    CHECK(counter->ttl == packet.ttl);
    CHECK(counter->tap == program.tap);
}

void check(Bench& bench, const TapProgram& program, const ScanSpec& scan, std::uint8_t protocol,
           const Row& row) {
    INFO(program.name << ", IPv" << scan.family << ", store " << scan.store << ": " << row.what);
    bench.clear();
    bench.install(scan);
    bench.tap(program, scan.dscp);
    PacketSpec spec = bench.probe(scan, protocol);
    row.change(spec);
    const Packet packet = build(spec);
    bench.run(program, packet.frame);

    const ksms_tap tap = bench.tap_figures(program);
    CHECK(tap.own == (row.seen == Seen::own));
    CHECK(tap.strangers == (row.seen == Seen::stranger));
    CHECK(tap.fragments == (row.seen == Seen::fragment));
    CHECK(tap.unparsable == (row.seen == Seen::unparsable));
    CHECK(bench.stat(KSMS_STAT_UNPARSABLE) == tap.unparsable);
    CHECK(bench.stat(KSMS_STAT_FRAGMENT) == tap.fragments);
    CHECK(bench.stat(KSMS_STAT_NO_TAP) == 0);
    CHECK(bench.stat(KSMS_STAT_NO_STORE) == 0);
    CHECK(bench.counters() == (row.seen == Seen::own || row.seen == Seen::stranger));
    if (row.seen == Seen::own)
        check_counter(bench, program, scan, spec, packet.ip_length, row.flags);
    if (row.seen == Seen::stranger) {
        const auto counter =
            bench.counter(scan, program.direction, 0, {spec.protocol, spec.destination_port});
        REQUIRE(counter);
        CHECK(counter->strangers == 1);
        CHECK(counter->packets == 0);
    }
}

void check_all(int family, std::uint8_t protocol, const std::vector<Row>& rows) {
    Bench bench;
    for (const TapProgram& program : tap_programs) {
        if (!bench.can_run(program)) continue;
        for (const ksms_store store : {KSMS_STORE_HASH, KSMS_STORE_DENSE})
            for (const Row& row : rows)
                check(bench, program, ScanSpec{.family = family, .store = store}, protocol, row);
    }
}

}  // namespace

TEST_CASE("TCP over IPv4 through every tap") {
    check_all(4, IPPROTO_TCP, tcp_rows);
}
TEST_CASE("TCP over IPv6 through every tap") {
    check_all(6, IPPROTO_TCP, tcp_rows);
}
TEST_CASE("UDP over IPv4 through every tap") {
    check_all(4, IPPROTO_UDP, udp_rows);
}
TEST_CASE("UDP over IPv6 through every tap") {
    check_all(6, IPPROTO_UDP, udp_rows);
}
TEST_CASE("IPv4 headers through every tap") {
    check_all(4, IPPROTO_TCP, ipv4_rows);
}
TEST_CASE("IPv6 headers through every tap") {
    check_all(6, IPPROTO_TCP, ipv6_rows);
}
