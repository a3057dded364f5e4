// SPDX-License-Identifier: BSD-2-Clause
// Tags that the kernel takes out of a packet before the taps see it; a test run cannot show them.
#include <bpf/libbpf.h>

#include <catch2/catch.hpp>

#include "bench.hpp"
#include "ksms.skel.h"
#include "own_namespace.hpp"

using namespace ksms;
using namespace ksms::test;

TEST_CASE("VLAN tags that the kernel took out of the packet are noted") {
    const OwnNamespace here;
    OwnNamespace::command("ip link add name tag0 type veth peer name tag1");
    OwnNamespace::command("ip link set tag0 up && ip link set tag1 up");
    Bench bench;
    const ScanSpec scan;
    bench.install(scan);
    bench.tap(tap_programs.front(), scan.dscp);
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(if_nametoindex("tag1"));
    hook.attach_point = BPF_TC_INGRESS;
    bpf_tc_opts filter{};
    filter.sz = sizeof filter;
    filter.prog_fd = bpf_program__fd(bench.skeleton().progs.ksms_clsact_ingress);
    REQUIRE(bpf_tc_hook_create(&hook) == 0);
    REQUIRE(bpf_tc_attach(&hook, &filter) == 0);

    const Service service{IPPROTO_TCP, 22};
    std::uint64_t sent = 0;
    for (const std::vector<std::uint16_t>& tags :
         {std::vector<std::uint16_t>{}, {0x8100}, {0x88a8, 0x8100}}) {
        INFO(tags.size() << " tags");
        PacketSpec packet = bench.probe(scan);
        packet.tags = tags;
        send_frame("tag0", build(packet).frame);
        sent++;
        REQUIRE(within_a_second([&] {
            const auto counter = bench.counter(scan, KSMS_INGRESS, 1, service);
            return counter && counter->packets == sent;
        }));
        CHECK(bench.counter(scan, KSMS_INGRESS, 1, service)->flags ==
              (tags.empty() ? 0 : KSMS_SEEN_VLAN));
    }
}
