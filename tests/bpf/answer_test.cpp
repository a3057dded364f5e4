// SPDX-License-Identifier: BSD-2-Clause
// What a router itself sends back to a probe, and what only looks like it.
#include <catch2/catch.hpp>

#include "bench.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

const Service tcp22{IPPROTO_TCP, 22}, udp53{IPPROTO_UDP, 53};
constexpr std::size_t ethernet = 14;
constexpr std::uint32_t elsewhere = 7;  // an interface

/// An answer to a probe: back to where it came from.
PacketSpec back(const PacketSpec& probe) {
    PacketSpec packet;
    packet.family = probe.family;
    packet.source = probe.destination;
    packet.destination = probe.source;
    return packet;
}

PacketSpec segment(const PacketSpec& probe, std::uint8_t flags) {
    PacketSpec packet = back(probe);
    packet.source_port = probe.destination_port;
    packet.destination_port = probe.source_port;
    packet.flags = flags;
    packet.acknowledgement = probe.token + 1;
    return packet;
}

/// An ICMP error from a router's own address.
PacketSpec error(const PacketSpec& probe, std::uint8_t type, std::uint8_t code) {
    PacketSpec packet = back(probe);
    const bool four = probe.family == 4;
    packet.source = address(four ? "10.9.9.9" : "2001:db8:9::9");
    packet.protocol = IPPROTO_ICMP;
    if (!four) packet.protocol = IPPROTO_ICMPV6;
    packet.icmp_type = type;
    packet.icmp_code = code;
    const auto frame = build(probe).frame;
    packet.quote.assign(frame.begin() + ethernet, frame.end());
    return packet;
}

struct Seen {
    ksms_answer answer;
    int type, code;
};

/// What the tap noted of the probe.
Seen run(Bench& bench, const TapProgram& program, const ScanSpec& scan, const PacketSpec& packet,
         Service service, std::uint32_t came_in = 0) {
    bench.clear();
    bench.install(scan);
    bench.tap(program, scan.dscp);
    bench.run(program, build(packet).frame, 0, came_in);
    const auto counter = bench.counter(scan, program.direction, 1, service);
    if (!counter) return {KSMS_ANSWER_NONE, 0, 0};
    CHECK(counter->packets == 0);
    CHECK(counter->strangers == 0);
    CHECK(counter->port == service.port);
    return {static_cast<ksms_answer>(counter->answer), counter->icmp_type, counter->icmp_code};
}

template <typename F>
void at_every_tap(F test) {
    Bench bench;
    for (const TapProgram& program : tap_programs)
        for (const ksms_store store : {KSMS_STORE_HASH, KSMS_STORE_DENSE})
            for (const int family : {4, 6})
                if (bench.can_run(program)) {
                    INFO(program.name << ", IPv" << family << ", store " << store);
                    test(bench, program, ScanSpec{.family = family, .store = store});
                }
}

}  // namespace

TEST_CASE("an answer that a router makes is noted, on its way out only") {
    at_every_tap([](Bench& bench, const TapProgram& program, const ScanSpec& scan) {
        const bool out = program.direction == KSMS_EGRESS;
        const auto tcp = bench.probe(scan), udp = bench.probe(scan, IPPROTO_UDP);
        const auto type = static_cast<std::uint8_t>(scan.family == 4 ? 3 : 1);
        const auto expect = [out](ksms_answer answer) { return out ? answer : KSMS_ANSWER_NONE; };
        CHECK(run(bench, program, scan, segment(tcp, rst | ack), tcp22).answer ==
              expect(KSMS_ANSWER_RESET));
        CHECK(run(bench, program, scan, segment(tcp, syn | ack), tcp22).answer ==
              expect(KSMS_ANSWER_SYN_ACK));
        for (const auto& [probe, service] : {std::pair(tcp, tcp22), std::pair(udp, udp53)}) {
            const auto seen = run(bench, program, scan, error(probe, type, 13), service);
            CHECK(seen.answer == expect(KSMS_ANSWER_ICMP));
            CHECK(seen.type == (out ? type : 0));
            CHECK(seen.code == (out ? 13 : 0));
        }
    });
}

TEST_CASE("an answer is known whatever the firewall made of its mark and of the probe") {
    at_every_tap([](Bench& bench, const TapProgram& program, const ScanSpec& scan) {
        if (program.direction != KSMS_EGRESS) return;
        const auto probe = bench.probe(scan);
        auto reset = segment(probe, rst | ack);
        reset.dscp = static_cast<std::uint8_t>(scan.dscp);  // the kernel's own copies the TOS
        CHECK(run(bench, program, scan, reset, tcp22).answer == KSMS_ANSWER_RESET);
        CHECK(bench.tap_figures(program).packets == 1);
        reset.source = address(scan.family == 4 ? "10.77.0.1" : "2001:db8:77::1");
        reset.source_port = 8080;
        CHECK(run(bench, program, scan, reset, tcp22).answer == KSMS_ANSWER_RESET);
        auto translated = bench.probe(scan, IPPROTO_UDP);
        translated.destination_port = 5353;
        translated.dscp = 0;
        const auto type = static_cast<std::uint8_t>(scan.family == 4 ? 3 : 1);
        CHECK(run(bench, program, scan, error(translated, type, 4), udp53).answer ==
              KSMS_ANSWER_ICMP);
        auto tagged = error(probe, type, 4);
        tagged.tags = {0x8100};
        CHECK(run(bench, program, scan, tagged, tcp22).answer == KSMS_ANSWER_ICMP);
    });
}

TEST_CASE("what only looks like an answer of the router's own is none") {
    at_every_tap([](Bench& bench, const TapProgram& program, const ScanSpec& scan) {
        if (program.direction != KSMS_EGRESS) return;
        const auto probe = bench.probe(scan), udp = bench.probe(scan, IPPROTO_UDP);
        const bool four = scan.family == 4;
        const auto unreachable = static_cast<std::uint8_t>(four ? 3 : 1);
        const auto none = [&](const char* what, const PacketSpec& packet, Service service,
                              std::uint32_t came_in = 0) {
            INFO(what);
            CHECK(run(bench, program, scan, packet, service, came_in).answer == KSMS_ANSWER_NONE);
        };
        none("the destination's RST, forwarded", segment(probe, rst | ack), tcp22, elsewhere);
        none("the destination's SYN-ACK, forwarded", segment(probe, syn | ack), tcp22, elsewhere);
        none("another router's error, forwarded", error(udp, unreachable, 3), udp53, elsewhere);
        none("a RST without ACK", segment(probe, rst), tcp22);
        none("an ACK", segment(probe, ack), tcp22);
        auto other = segment(probe, rst | ack);
        other.acknowledgement += 1;
        none("a RST that acknowledges something else", other, tcp22);
        other = segment(probe, rst | ack);
        other.source = other.destination = address(four ? "10.77.0.1" : "2001:db8:77::1");
        other.source_port = other.destination_port = 9;
        none("a RST from and to others", other, tcp22);
        none("an echo", error(udp, four ? 8 : 128, 0), udp53);
        auto quote = error(udp, unreachable, 3);
        quote.quote.resize(20);
        none("an error that quotes too little", quote, udp53);
        auto strange = udp;
        strange.token ^= 1;
        none("an error about somebody else's datagram", error(strange, unreachable, 3), udp53);
        auto reply = segment(probe, rst | ack);
        ScanSpec earlier = scan;
        earlier.generation--;
        reply.acknowledgement = bench.seal(earlier, 4) + 1;
        none("a RST to a probe of an earlier lease", reply, tcp22);
    });
}
