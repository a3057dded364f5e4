// SPDX-License-Identifier: BSD-2-Clause
// What a test run cannot show, over a pair of veth devices: tags that the kernel takes out of a
// packet before the taps see it, and packets in pages.
#include <bpf/libbpf.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "bench.hpp"
#include "ksms.skel.h"
#include "own_namespace.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

/// Frames into `left` pass the tap on `right`.
void tap_a_pair(Bench& bench, const ScanSpec& scan) {
    OwnNamespace::command("ip link add name left mtu 9000 type veth peer name right mtu 9000");
    OwnNamespace::command("ip link set left up && ip link set right up");
    // The carrier comes by linkwatch, later; until then the device's queue drops everything.
    REQUIRE(
        eventually([] { return link_text("left").find("qdisc noqueue") != std::string::npos; }));
    bench.install(scan);
    bench.tap(tap_programs.front(), scan.dscp);
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(if_nametoindex("right"));
    hook.attach_point = BPF_TC_INGRESS;
    bpf_tc_opts filter{};
    filter.sz = sizeof filter;
    filter.prog_fd = bpf_program__fd(bench.skeleton().progs.ksms_clsact_ingress);
    REQUIRE(bpf_tc_hook_create(&hook) == 0);
    REQUIRE(bpf_tc_attach(&hook, &filter) == 0);
}

}  // namespace

TEST_CASE("VLAN tags that the kernel took out of the packet are noted") {
    const OwnNamespace here;
    Bench bench;
    const ScanSpec scan;
    tap_a_pair(bench, scan);

    const Service service{IPPROTO_TCP, 22};
    std::uint64_t sent = 0;
    for (const std::vector<std::uint16_t>& tags :
         {std::vector<std::uint16_t>{}, {0x8100}, {0x88a8, 0x8100}}) {
        INFO(tags.size() << " tags");
        PacketSpec packet = bench.probe(scan);
        packet.tags = tags;
        packet.destination_mac.fill(0xff);
        send_frame("left", build(packet).frame);
        sent++;
        REQUIRE(eventually([&] {
            const auto counter = bench.counter(scan, KSMS_INGRESS, 1, service);
            return counter && counter->packets == sent;
        }));
        CHECK(bench.counter(scan, KSMS_INGRESS, 1, service)->flags ==
              (tags.empty() ? 0 : KSMS_SEEN_VLAN));
    }
}

TEST_CASE("a probe whose end is in pages is a probe") {
    const OwnNamespace here;
    Bench bench;
    const ScanSpec scan;
    tap_a_pair(bench, scan);
    PacketSpec packet = bench.probe(scan, IPPROTO_UDP);
    packet.payload = 6000;
    packet.destination_mac.fill(0xff);
    const Bytes frame = build(packet).frame;
    const Bytes cut(frame.begin(), frame.begin() + 5000);
    send_frame("left", cut, 100);
    REQUIRE(eventually([&] { return bench.tap_figures(tap_programs.front()).unparsable == 1; }));
    send_frame("left", frame, 100);
    REQUIRE(eventually([&] { return bench.tap_figures(tap_programs.front()).own == 1; }));
}
