// SPDX-License-Identifier: BSD-2-Clause
// Which packets are ours: what may have been rewritten on the way, and what makes a stranger.
#include <catch2/catch.hpp>

#include "bench.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

const Service ssh{IPPROTO_TCP, 22};

enum Kept { none = 0, source = 1, destination = 2, source_port = 4, port = 8, all = 15 };

/// A probe of which only `kept` is as it was sent.
PacketSpec translated(const Bench& bench, const ScanSpec& scan, int kept) {
    PacketSpec packet = bench.probe(scan);
    const bool four = scan.family == 4;
    if (!(kept & source)) packet.source = address(four ? "10.9.9.1" : "2001:db8:9::1");
    if (!(kept & destination)) packet.destination = address(four ? "10.9.9.2" : "2001:db8:9::2");
    if (!(kept & source_port)) packet.source_port = 61000;
    if (!(kept & port)) packet.destination_port = 8080;
    return packet;
}

void install(Bench& bench, const TapProgram& program, const ScanSpec& scan) {
    bench.clear();
    bench.install(scan);
    bench.tap(program, scan.dscp);
}

void check_translated(Bench& bench, const TapProgram& program, const ScanSpec& scan, int kept) {
    INFO(program.name << ", IPv" << scan.family << ", kept " << kept);
    install(bench, program, scan);
    const PacketSpec packet = translated(bench, scan, kept);
    bench.run(program, build(packet).frame);
    const auto counter = bench.counter(scan, program.direction, 1, ssh);
    REQUIRE(counter);
    CHECK(counter->packets == 1);
    CHECK(counter->port == 22);
    CHECK(counter->seen_port == packet.destination_port);
    CHECK(counter->flags == (kept == all ? 0 : KSMS_SEEN_TRANSLATED));
    const auto seen = bench.translation(scan, program.direction, 1, ssh);
    REQUIRE(seen.has_value() == (kept != all));
    if (!seen) return;
    const std::size_t size = scan.family == 4 ? 4 : 16;
    CHECK(std::equal(seen->source, seen->source + size, packet.source.begin()));
    CHECK(std::equal(seen->destination, seen->destination + size, packet.destination.begin()));
    CHECK(seen->source_port == packet.source_port);
    CHECK(seen->destination_port == packet.destination_port);
    CHECK(seen->family == scan.family);
}

template <typename F>
void with_every_tap(F test) {
    Bench bench;
    for (const TapProgram& program : tap_programs)
        for (const ksms_store store : {KSMS_STORE_HASH, KSMS_STORE_DENSE})
            if (bench.can_run(program)) test(bench, program, store);
}

}  // namespace

TEST_CASE("a probe is found whatever NAT made of it") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        for (const int family : {4, 6})
            for (int kept = source; kept <= all; kept++)
                check_translated(bench, program, ScanSpec{.family = family, .store = store}, kept);
    });
}

TEST_CASE("the destination as a datagram's source: an echo by its port, else a probe passed on") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        for (const int family : {4, 6}) {
            const ScanSpec scan{.family = family, .store = store};
            install(bench, program, scan);
            PacketSpec packet = bench.probe(scan, IPPROTO_UDP);
            const auto target = packet.destination;
            packet.destination = address(family == 4 ? "10.9.9.2" : "2001:db8:9::2");
            packet.source = target;
            packet.destination_port = 8081;
            bench.run(program, build(packet).frame);
            CHECK(bench.tap_figures(program).own == 1);
            packet.destination_port = packet.source_port;
            packet.source_port = 53;
            bench.run(program, build(packet).frame);
            CHECK(bench.tap_figures(program).own == 1);
        }
    });
}

TEST_CASE("of a SYN a token alone is not enough, the mark or the timestamp must be there too") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        const ScanSpec scan{.store = store};
        install(bench, program, scan);
        PacketSpec packet = translated(bench, scan, none);
        packet.dscp = 0;
        bench.run(program, build(packet).frame);
        packet.stamp = 4711;
        bench.run(program, build(packet).frame);
        CHECK(bench.counters() == 0);
        CHECK(bench.tap_figures(program).own == 0);
        packet.stamp = packet.token | 1;
        bench.run(program, build(packet).frame);
        CHECK(bench.tap_figures(program).own == 1);
        packet.stamp.reset();
        packet.dscp = static_cast<std::uint8_t>(scan.dscp);
        bench.run(program, build(packet).frame);
        CHECK(bench.tap_figures(program).own == 2);
    });
}

TEST_CASE("somebody else's packets with the job's DSCP and port are strangers") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        const ScanSpec scan{.store = store};
        install(bench, program, scan);
        PacketSpec packet = bench.probe(scan);
        packet.source = address("10.77.0.1");
        packet.source_port = 50000;
        for (std::uint32_t token = 1; token <= 20; token++) {
            packet.token = token * 0x1000193;
            bench.run(program, build(packet).frame);
        }
        const auto counter = bench.counter(scan, program.direction, 0, ssh);
        REQUIRE(counter);
        CHECK(counter->strangers == 20);
        CHECK(counter->packets == 0);
        CHECK(bench.tap_figures(program).strangers == 20);
        CHECK(bench.counters() == 1);
    });
}

TEST_CASE("a flood of strangers fills nothing") {
    Bench bench;
    const ScanSpec scan;
    const TapProgram& program = tap_programs.front();
    install(bench, program, scan);
    PacketSpec packet = bench.probe(scan);
    packet.token = 1;
    for (std::uint32_t i = 1; i <= 2000; i++) {
        packet.destination_port = static_cast<std::uint16_t>(i * 31);
        packet.source_port = static_cast<std::uint16_t>(i);
        bench.run(program, build(packet).frame);
    }
    CHECK(bench.counters() <= 2);
    CHECK(bench.tap_figures(program).packets == 2000);
}

TEST_CASE("tokens that are no probe of the scan") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        const ScanSpec scan{.store = store};
        ScanSpec earlier = scan, nobody = scan;
        earlier.generation--;
        nobody.dscp = 34;
        const struct {
            const char* what;
            std::uint32_t token;
            std::uint64_t stale;
        } rows[] = {
            {"of an earlier lease", bench.seal(earlier, 1), 1},
            {"of a probe that it does not have", bench.seal(scan, scan.probes()), 0},
            {"of a service with another protocol", bench.seal(scan, 2), 0},
            {"of a DSCP without a scan", bench.seal(nobody, 0), 0},
        };
        for (const auto& row : rows) {
            INFO(program.name << ": " << row.what);
            install(bench, program, scan);
            PacketSpec packet = bench.probe(scan);
            packet.token = row.token;
            bench.run(program, build(packet).frame);
            CHECK(bench.stat(KSMS_STAT_STALE) == row.stale);
            CHECK(bench.tap_figures(program).own == 0);
            CHECK(bench.tap_figures(program).strangers == 1);
        }
    });
}

TEST_CASE("the other IP version is a stranger's") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        const ScanSpec scan{.store = store};
        ScanSpec six = scan;
        six.family = 6;
        install(bench, program, scan);
        bench.run(program, build(bench.probe(six)).frame);
        CHECK(bench.tap_figures(program).own == 0);
        CHECK(bench.tap_figures(program).strangers == 1);
    });
}

TEST_CASE("a probe that carries another DSCP than its scan's is known by its token") {
    with_every_tap([](Bench& bench, const TapProgram& program, ksms_store store) {
        const ScanSpec scan{.carried = 10, .store = store};
        install(bench, program, scan);
        PacketSpec packet = bench.probe(scan);
        packet.dscp = 10;
        bench.run(program, build(packet).frame);
        auto counter = bench.counter(scan, program.direction, 1, ssh);
        REQUIRE(counter);
        CHECK(counter->packets == 1);
        CHECK(counter->dscp == scan.dscp);
        CHECK(counter->seen_dscp == 10);
        CHECK(counter->flags == 0);
        packet.dscp = 11;
        bench.run(program, build(packet).frame);
        counter = bench.counter(scan, program.direction, 1, ssh);
        CHECK(counter->flags == KSMS_SEEN_REMARKED);
        // What it carries is its mark.
        packet = translated(bench, scan, none);
        packet.dscp = static_cast<std::uint8_t>(scan.dscp);
        bench.run(program, build(packet).frame);
        CHECK(bench.tap_figures(program).own == 2);
        packet.dscp = 10;
        bench.run(program, build(packet).frame);
        CHECK(bench.tap_figures(program).own == 3);
    });
}

TEST_CASE("two scans of the same services never see each other's probes") {
    Bench bench;
    const ScanSpec first{.dscp = 33}, second{.dscp = 34, .store = KSMS_STORE_DENSE};
    const TapProgram& program = tap_programs[2];
    if (!bench.can_run(program)) return;
    bench.install(first);
    bench.install(second);
    bench.tap(program, first.dscp);
    bench.tap(program, second.dscp);

    PacketSpec remarked = bench.probe(second);
    remarked.dscp = static_cast<std::uint8_t>(first.dscp);
    bench.run(program, build(bench.probe(first)).frame);
    bench.run(program, build(bench.probe(second)).frame);
    bench.run(program, build(remarked).frame);

    const auto of_first = bench.counter(first, program.direction, 1, ssh);
    const auto of_second = bench.counter(second, program.direction, 1, ssh);
    REQUIRE(of_first);
    REQUIRE(of_second);
    CHECK(of_first->packets == 1);
    CHECK(of_first->strangers == 0);
    CHECK(of_second->packets == 2);
    CHECK(of_second->flags == KSMS_SEEN_REMARKED);
    CHECK(bench.counters() == 2);
}
