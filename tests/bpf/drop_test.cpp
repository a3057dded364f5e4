// SPDX-License-Identifier: BSD-2-Clause
// What the drop program notes of packets that the kernel really drops, in a namespace that is a
// router, source and destination in one.
#include <arpa/inet.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <catch2/catch.hpp>
#include <string>

#include "bench.hpp"
#include "bpf/attach.hpp"
#include "ksms.skel.h"
#include "own_namespace.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

Fd watch_drops(const Bench& bench, std::uint64_t cookie) {
    auto link = attach_tracing(bpf_program__fd(bench.skeleton().progs.ksms_drop), cookie);
    REQUIRE(link);
    return std::move(*link);
}

/// The running kernel's number for a reason.
std::uint32_t reason(const std::string& name) {
    btf* kernel = btf__load_vmlinux_btf();
    const int id = btf__find_by_name_kind(kernel, "skb_drop_reason", BTF_KIND_ENUM);
    REQUIRE(id > 0);
    const btf_type* type = btf__type_by_id(kernel, static_cast<std::uint32_t>(id));
    std::uint32_t number = 0;
    for (int i = 0; i < btf_vlen(type); i++)
        if ("SKB_DROP_REASON_" + name == btf__name_by_offset(kernel, btf_enum(type)[i].name_off))
            number = static_cast<std::uint32_t>(btf_enum(type)[i].val);
    btf__free(kernel);
    REQUIRE(number != 0);
    return number;
}

/// A datagram as a probe is, to a port of lo where nobody listens.
/// @return false: it was refused
bool send_datagram(const PacketSpec& probe) {
    const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(socket);
    Bytes payload;
    for (const std::uint32_t word : {probe.magic, probe.token, 0U, 0U}) {
        const std::uint32_t wire = htonl(word);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&wire);
        payload.insert(payload.end(), bytes, bytes + sizeof wire);
    }
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(probe.destination_port);
    to.sin6_addr = in6addr_loopback;
    if (probe.family == 4) inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
    return sendto(socket.get(), payload.data(), payload.size(), 0,
                  reinterpret_cast<const sockaddr*>(&to),
                  sizeof to) == static_cast<ssize_t>(payload.size());
}

/// Frames into `in0` come out of `in1`, as from a neighbour, and are routed to `out0`.
void make_router() {
    for (const char* line :
         {"ip link add name in0 type veth peer name in1",
          "ip link add name out0 type veth peer name out1",
          "ip link set in1 address 02:00:00:00:00:02",
          "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
          "sysctl -qw net.ipv4.conf.in1.rp_filter=0 net.ipv4.conf.all.rp_filter=0",
          "for i in in0 in1 out0 out1; do ip link set $i up; done",
          "ip addr add 10.1.1.1/24 dev in1", "ip addr add 2001:db8:1::1/64 dev in1 nodad",
          "ip route add 10.2.0.0/16 dev out0", "ip route add 2001:db8:2::/48 dev out0",
          "ip neigh add 10.2.5.100 dev out0 lladdr 02:00:00:00:00:03",
          "ip neigh add 2001:db8:2::100 dev out0 lladdr 02:00:00:00:00:03"})
        OwnNamespace::command(line);
}

/// @param device  of a hook of the netdev family
void drop_at(const std::string& hook, const std::string& device) {
    OwnNamespace::command("nft \"flush ruleset; table netdev t { chain c { type filter hook " +
                          hook + " device " + device +
                          " priority 0; meta l4proto { tcp, udp } drop; }; }\"");
}

void drop_at(const std::string& hook) {
    OwnNamespace::command("nft \"flush ruleset; table inet t { chain c { type filter hook " + hook +
                          " priority 0; meta l4proto { tcp, udp } drop; }; }\"");
}

void check_hook(Bench& bench, int family, const char* destination, ksms_hook expected) {
    const ScanSpec scan{.family = family};
    const Service service{IPPROTO_TCP, 22};
    bench.clear();
    bench.install(scan);
    bench.tap(tap_programs.front(), scan.dscp);
    const Fd link = watch_drops(bench, scan.dscp);
    PacketSpec packet = bench.probe(scan);
    packet.destination_mac = {2, 0, 0, 0, 0, 2};  // of in1
    if (destination != nullptr) packet.destination = address(destination);
    send_frame("in0", build(packet).frame);
    REQUIRE(eventually([&] { return bench.drop(scan, 1, service).has_value(); }));
    const ksms_drop drop = *bench.drop(scan, 1, service);
    CHECK(static_cast<ksms_hook>(drop.hook) == expected);
    CHECK(drop.count == 1);
}

}  // namespace

TEST_CASE("a drop tells its hook") {
    const OwnNamespace here;
    make_router();
    Bench bench;
    for (const int family : {4, 6}) {
        const bool four = family == 4;
        const char* router = four ? "10.1.1.1" : "2001:db8:1::1";
        const char* nowhere = four ? "10.99.0.1" : "2001:db8:99::1";
        const struct {
            const char* nft;
            const char* destination;
            ksms_hook hook;
        } rows[] = {{"prerouting", nullptr, KSMS_HOOK_PREROUTING},
                    {"forward", nullptr, KSMS_HOOK_FORWARD},
                    {"postrouting", nullptr, KSMS_HOOK_POSTROUTING},
                    {"input", router, KSMS_HOOK_INPUT},
                    {"output", nowhere, KSMS_HOOK_UNKNOWN}};
        for (const auto& row : rows) {
            INFO("IPv" << family << ": " << row.nft);
            drop_at(row.nft);
            check_hook(bench, family, row.destination, row.hook);
        }
    }
}

TEST_CASE("a drop at a device tells its hook, not IP's beside it") {
    const OwnNamespace here;
    make_router();
    Bench bench;
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        drop_at("ingress", "in1");
        check_hook(bench, family, nullptr, KSMS_HOOK_INGRESS);
        drop_at("egress", "out0");
        check_hook(bench, family, nullptr, KSMS_HOOK_EGRESS);
    }
}

TEST_CASE("a probe dropped where it was made tells so") {
    const OwnNamespace here;
    Bench bench;
    const Service service{IPPROTO_UDP, 53};
    drop_at("output");
    for (const int family : {4, 6}) {
        const ScanSpec scan{.family = family};
        bench.clear();
        bench.install(scan);
        bench.tap(tap_programs.front(), scan.dscp);
        const Fd link = watch_drops(bench, scan.dscp);
        CHECK(!send_datagram(bench.probe(scan, IPPROTO_UDP)));
        REQUIRE(eventually([&] { return bench.drop(scan, 1, service).has_value(); }));
        CHECK(bench.drop(scan, 1, service)->hook == KSMS_HOOK_OUTPUT);
    }
}

TEST_CASE("a dropped probe leaves its reason") {
    const OwnNamespace here;
    Bench bench;
    const Service service{IPPROTO_UDP, 53};
    for (const ksms_store store : {KSMS_STORE_HASH, KSMS_STORE_DENSE})
        for (const int family : {4, 6})
            for (const std::uint64_t cookie : {33, 0}) {
                INFO("IPv" << family << ", store " << store << ", cookie " << cookie);
                const ScanSpec scan{.family = family, .store = store};
                bench.clear();
                bench.install(scan);
                bench.tap(tap_programs.front(), scan.dscp);
                const Fd link = watch_drops(bench, cookie);
                REQUIRE(send_datagram(bench.probe(scan, IPPROTO_UDP)));
                REQUIRE(eventually([&] { return bench.drop(scan, 1, service).has_value(); }));
                const ksms_drop drop = *bench.drop(scan, 1, service);
                CHECK(drop.count == 1);
                CHECK(drop.reason == reason("NO_SOCKET"));
                CHECK(drop.place != 0);
                CHECK(drop.at_ns != 0);
                CHECK(drop.ifindex == 1);
                CHECK(drop.port == service.port);
                CHECK(drop.protocol == service.protocol);
                CHECK(drop.hook == KSMS_HOOK_INPUT);
            }
}

TEST_CASE("drops of another scan, another namespace or nobody's probe are left alone") {
    const OwnNamespace here;
    Bench bench;
    const ScanSpec scan;
    const Service service{IPPROTO_UDP, 53};
    PacketSpec packet = bench.probe(scan, IPPROTO_UDP);
    std::uint64_t cookie = scan.dscp;
    bench.install(scan);
    SECTION("another scan's link") {
        if (!probe_kernel().attach_cookie) {
            WARN("SKIP: this kernel has no cookies for tracing links");
            return;
        }
        bench.tap(tap_programs.front(), scan.dscp);
        cookie = scan.dscp + 1;
    }
    SECTION("a namespace that is not of the scan") {}
    SECTION("another token") {
        bench.tap(tap_programs.front(), scan.dscp);
        packet.token ^= 1;
    }
    // A probe of a second scan dies after the first one's and tells when both have been seen.
    const ScanSpec second{.dscp = 35};
    bench.install(second);
    bench.tap(tap_programs.front(), second.dscp);
    const Fd link = watch_drops(bench, cookie), other = watch_drops(bench, second.dscp);
    REQUIRE(send_datagram(packet));
    REQUIRE(send_datagram(bench.probe(second, IPPROTO_UDP)));
    REQUIRE(eventually([&] { return bench.drop(second, 1, service).has_value(); }));
    CHECK(!bench.drop(scan, 1, service));
}

TEST_CASE("a scan that ends leaves the others their drops") {
    const OwnNamespace here;
    Bench bench;
    const ScanSpec first{.dscp = 33}, second{.dscp = 35};
    const Service service{IPPROTO_UDP, 53};
    for (const auto& scan : {first, second}) {
        bench.install(scan);
        bench.tap(tap_programs.front(), scan.dscp);
    }
    Fd ends = watch_drops(bench, first.dscp);
    const Fd stays = watch_drops(bench, second.dscp);
    REQUIRE(send_datagram(bench.probe(first, IPPROTO_UDP)));
    REQUIRE(eventually([&] { return bench.drop(first, 1, service).has_value(); }));
    CHECK(bench.drop(first, 1, service)->count == 1);
    ends.reset();
    REQUIRE(send_datagram(bench.probe(second, IPPROTO_UDP)));
    REQUIRE(eventually([&] { return bench.drop(second, 1, service).has_value(); }));
    CHECK(bench.drop(second, 1, service)->count == 1);
}

TEST_CASE("a full map of drops is counted") {
    const OwnNamespace here;
    Bench bench([](ksms_bpf& skeleton) { bpf_map__set_max_entries(skeleton.maps.drops, 1); });
    const ScanSpec scan;
    bench.install(scan);
    bench.tap(tap_programs.front(), scan.dscp);
    const Fd link = watch_drops(bench, scan.dscp);
    REQUIRE(send_datagram(bench.probe_of(scan, 0, 2)));
    REQUIRE(send_datagram(bench.probe_of(scan, 0, 3)));
    CHECK(eventually([&] { return bench.stat(KSMS_STAT_DROPS_FULL) == 1; }));
}
