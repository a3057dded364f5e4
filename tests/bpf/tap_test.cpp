// SPDX-License-Identifier: BSD-2-Clause
// What a tap does beside telling packets apart: when it is idle, which scans it counts for, what it
// does with truncated packets, GSO and full maps.
#include <bpf/libbpf.h>

#include <catch2/catch.hpp>
#include <cstdio>

#include "bench.hpp"
#include "ksms.skel.h"

using namespace ksms;
using namespace ksms::test;

namespace {

const Service tcp22{IPPROTO_TCP, 22};
constexpr std::size_t ethernet = 14;  // what a test run wants at least

void install(Bench& bench, const TapProgram& program, const ScanSpec& scan) {
    bench.clear();
    bench.install(scan);
    bench.tap(program, scan.dscp);
}

template <typename F>
void with_every_tap(F test) {
    Bench bench;
    for (const TapProgram& program : tap_programs)
        if (bench.can_run(program)) {
            INFO(program.name);
            test(bench, program);
        }
}

/// A test run of a TC program takes no frame that ends in an IP header, unless a tag hides it.
std::size_t smallest(const TapProgram& program, const PacketSpec& spec) {
    if (program.kind == KSMS_TAP_XDP || !spec.tags.empty()) return ethernet + 1;
    return ethernet + (spec.family == 4 ? 20 : 40);
}

void check_truncated(Bench& bench, const TapProgram& program, const PacketSpec& spec) {
    const Packet packet = build(spec);
    for (std::size_t size = smallest(program, spec); size < packet.frame.size(); size++) {
        INFO(size << " of " << packet.frame.size() << " bytes");
        const auto end = packet.frame.begin() + static_cast<std::ptrdiff_t>(size);
        bench.run(program, Bytes(packet.frame.begin(), end));
        REQUIRE(bench.tap_figures(program).own == 0);
    }
    CHECK(bench.stat(KSMS_STAT_UNPARSABLE) != 0);
    bench.run(program, packet.frame);
    REQUIRE(bench.tap_figures(program).own == 1);
}

}  // namespace

TEST_CASE("a packet that ends early is never a probe") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        for (const int family : {4, 6})
            for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
                const ScanSpec scan{.family = family};
                install(bench, program, scan);
                PacketSpec plain = bench.probe(scan, protocol);
                check_truncated(bench, program, plain);

                install(bench, program, scan);
                PacketSpec rich = plain;
                rich.tags = {0x88a8, 0x8100};
                rich.ihl = 15;
                rich.extensions = {{.kind = IPPROTO_HOPOPTS},
                                   {.kind = IPPROTO_ROUTING, .units = 2},
                                   {.kind = IPPROTO_FRAGMENT},
                                   {.kind = IPPROTO_AH}};
                check_truncated(bench, program, rich);
            }
    });
}

TEST_CASE("an idle tap does nothing at all") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        const ScanSpec scan;
        install(bench, program, scan);
        bench.set_active(0);
        PacketSpec broken = bench.probe(scan);
        broken.version = 5;
        bench.run(program, build(bench.probe(scan)).frame);
        bench.run(program, build(broken).frame);
        CHECK(bench.counters() == 0);
        CHECK(bench.stat(KSMS_STAT_UNPARSABLE) == 0);
        CHECK(bench.tap_figures(program).packets == 0);
    });
}

TEST_CASE("a scan that is over is not counted for") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        const ScanSpec scan;
        install(bench, program, scan);
        const PacketSpec packet = bench.probe(scan);
        bench.clear();
        bench.tap(program, scan.dscp);
        bench.set_active(1);
        bench.run(program, build(packet).frame);
        CHECK(bench.counters() == 0);
        CHECK(bench.tap_figures(program).packets == 0);
    });
}

TEST_CASE("only the kind of tap that the scan names counts") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        for (const TapProgram& other : tap_programs) {
            if (other.direction != program.direction || other.kind == program.kind) continue;
            const ScanSpec scan;
            install(bench, program, scan);
            bench.tap(other, scan.dscp);
            bench.run(program, build(bench.probe(scan)).frame);
            CHECK(bench.counters() == 0);
            CHECK(bench.tap_figures(program).own == 0);
        }
    });
}

TEST_CASE("a clsact tap counts for its own scan alone") {
    Bench bench;
    for (const TapProgram& program : tap_programs) {
        if (program.kind != KSMS_TAP_CLSACT) continue;
        const ScanSpec mine{.dscp = 33}, theirs{.dscp = 34};
        install(bench, program, theirs);
        bench.install(mine);
        bench.tap(program, mine.dscp);
        bench.run(program, build(bench.probe(theirs)).frame);
        CHECK(bench.counters() == 0);
        bench.run(program, build(bench.probe(mine)).frame);
        CHECK(bench.counters() == 1);
    }
}

TEST_CASE("the two directions are counted apart") {
    for (const ksms_store store : {KSMS_STORE_HASH, KSMS_STORE_DENSE}) {
        Bench bench;
        const ScanSpec scan{.store = store};
        bench.install(scan);
        const Bytes frame = build(bench.probe(scan)).frame;
        bench.tap(tap_programs[0], scan.dscp);
        bench.run(tap_programs[0], frame);
        bench.run(tap_programs[0], frame);
        bench.tap(tap_programs[1], scan.dscp);
        bench.run(tap_programs[1], frame);
        CHECK(bench.counter(scan, KSMS_INGRESS, 1, tcp22)->packets == 2);
        CHECK(bench.counter(scan, KSMS_EGRESS, 1, tcp22)->packets == 1);
    }
}

TEST_CASE("every entry and service has a counter of its own") {
    for (const ksms_store store : {KSMS_STORE_HASH, KSMS_STORE_DENSE}) {
        Bench bench;
        const ScanSpec scan{.store = store, .entries = 3};
        const TapProgram& program = tap_programs.front();
        install(bench, program, scan);
        std::uint32_t times = 0;
        for (std::uint32_t entry = 0; entry < scan.entries; entry++)
            for (std::uint32_t service = 0; service < scan.services.size(); service++) {
                times++;
                for (std::uint32_t i = 0; i < times; i++)
                    bench.run(program, build(bench.probe_of(scan, entry, service)).frame);
            }
        for (std::uint32_t entry = scan.entries; entry-- > 0;)
            for (std::size_t service = scan.services.size(); service-- > 0; times--)
                CHECK(bench.counter(scan, KSMS_INGRESS, entry, scan.services[service])->packets ==
                      times);
        CHECK(bench.counters() == scan.probes());
    }
}

TEST_CASE("a frame that a bridge flooded to the wrong router is not counted on its way in") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        const ScanSpec scan;
        install(bench, program, scan);
        PacketSpec packet = bench.probe(scan);
        packet.destination_mac = {2, 0, 0, 0, 0, 9};
        bench.run(program, build(packet).frame);
        CHECK(bench.tap_figures(program).own == (program.direction == KSMS_EGRESS ? 1 : 0));
        packet.destination_mac.fill(0xff);
        bench.run(program, build(packet).frame);
        CHECK(bench.tap_figures(program).own == (program.direction == KSMS_EGRESS ? 2 : 1));
    });
}

TEST_CASE("GSO segments are counted each") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        if (program.kind == KSMS_TAP_XDP) return;  // XDP comes before GRO
        const ScanSpec scan;
        install(bench, program, scan);
        const Packet packet = build(bench.probe(scan));
        bench.run(program, packet.frame, 5);
        bench.run(program, packet.frame, 1);
        const auto counter = bench.counter(scan, program.direction, 1, tcp22);
        REQUIRE(counter);
        CHECK(counter->packets == 6);
        CHECK(counter->bytes == 2 * packet.ip_length);
        CHECK(bench.tap_figures(program).own == 6);
    });
}

TEST_CASE("a program without an entry in taps says so") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        const ScanSpec scan;
        bench.clear();
        bench.install(scan);
        bench.run(program, build(bench.probe(scan)).frame);
        CHECK(bench.stat(KSMS_STAT_NO_TAP) == 1);
        CHECK(bench.counters() == 0);
    });
}

TEST_CASE("a scan without a store says so") {
    with_every_tap([](Bench& bench, const TapProgram& program) {
        ScanSpec scan;
        install(bench, program, scan);
        scan.store = KSMS_STORE_NONE;
        bench.install(scan);
        bench.run(program, build(bench.probe(scan)).frame);
        CHECK(bench.stat(KSMS_STAT_NO_STORE) == 1);
        CHECK(bench.tap_figures(program).own == 1);
        CHECK(bench.counters() == 0);
    });
}

TEST_CASE("full maps are counted, never silent") {
    Bench bench([](ksms_bpf& skeleton) {
        bpf_map__set_max_entries(skeleton.maps.counters, 2);
        bpf_map__set_max_entries(skeleton.maps.translations, 1);
    });
    const ScanSpec scan;
    const TapProgram& program = tap_programs.front();
    install(bench, program, scan);
    for (std::uint32_t service = 0; service < scan.services.size(); service++) {
        PacketSpec packet = bench.probe_of(scan, 0, service);
        packet.source_port++;
        bench.run(program, build(packet).frame);
    }
    CHECK(bench.counters() == 2);
    CHECK(bench.stat(KSMS_STAT_COUNTERS_FULL) == scan.services.size() - 2);
    CHECK(bench.stat(KSMS_STAT_TRANSLATIONS_FULL) == 1);
    CHECK(bench.tap_figures(program).own == scan.services.size());

    bench.run(program, build(bench.probe_of(scan, 0, 0)).frame);
    CHECK(bench.counter(scan, KSMS_INGRESS, 0, scan.services[0])->packets == 2);
    CHECK(bench.stat(KSMS_STAT_COUNTERS_FULL) == scan.services.size() - 2);
}

TEST_CASE("what a tap costs", "[.benchmark]") {
    constexpr int times = 2'000'000;
    Bench bench;
    std::printf("%-20s %8s %8s %8s %8s %8s  ns a packet\n", "", "idle", "unmarked", "stranger",
                "hash", "dense");
    for (const TapProgram& program : tap_programs) {
        if (!bench.can_run(program)) continue;
        const ScanSpec hash, dense{.dscp = 34, .store = KSMS_STORE_DENSE};
        install(bench, program, hash);
        const Bytes probe = build(bench.probe(hash)).frame;
        PacketSpec other = bench.probe(hash);
        other.token ^= 1;
        const auto stranger = bench.time(program, build(other).frame, times);
        other.dscp = 0;
        const auto unmarked = bench.time(program, build(other).frame, times);
        const auto own = bench.time(program, probe, times);
        bench.set_active(0);
        const auto idle = bench.time(program, probe, times);
        install(bench, program, dense);
        const auto mapped = bench.time(program, build(bench.probe(dense)).frame, times);
        std::printf("%-20s %8u %8u %8u %8u %8u\n", program.name, idle, unmarked, stranger, own,
                    mapped);
    }
}
