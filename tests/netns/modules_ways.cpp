// SPDX-License-Identifier: BSD-2-Clause
// What takes a packet from one router to another, or to another host, without a device of the
// route's own, or encrypted: IPsec, WireGuard, MPLS, Open vSwitch, IPVS. In scripts/kernels only.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "modules.hpp"

namespace {

using namespace ksms::lab;

/// A state and a policy for each family, r1 to r2. @param ends  of r1's side: "out"
std::string esp(const std::vector<std::string>& directions, const std::string& more = "") {
    std::string commands;
    for (const auto& [from, to, all] :
         {std::tuple{"$a", "$b", "0.0.0.0/0"}, std::tuple{"$a6", "$b6", "::/0"}}) {
        commands += fmt::format(
            "ip xfrm state add src {} dst {} proto esp spi 0x101 mode tunnel aead "
            "'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128{}\n",
            from, to, more);
        for (const auto& direction : directions)
            commands += fmt::format(
                "ip xfrm policy add src {} dst {} dir {}{} tmpl src {} dst {} proto esp mode "
                "tunnel\n",
                all, std::string(all) == "::/0" ? "$to6" : "$to", direction, more, from, to);
    }
    return commands;
}

}  // namespace

TEST_CASE("modules: IPsec between two routers", "[.modules]") {
    const std::string device = "ip link add x0 type xfrm dev {} if_id 7\n";
    check_features({
        {"by a policy", esp({"out"}), esp({"in", "fwd"})},
        {"by an xfrm interface",
         fmt::format(fmt::runtime(device), "eth1") + esp({"out"}, " if_id 7"),
         fmt::format(fmt::runtime(device), "eth0") + esp({"in", "fwd"}, " if_id 7"), "x0"},
    });
}

TEST_CASE("modules: WireGuard between two routers", "[.modules]") {
    const std::string keys =
        "umask 077; cd $tmp\n"
        "for each in 1 2; do [ -e $each ] || wg genkey >$each; wg pubkey <$each >$each.pub; done\n"
        "ip link add x0 type wireguard\n";
    const std::string peer =
        "wg set x0 listen-port 51820 private-key {} peer $(cat {}.pub) allowed-ips 0.0.0.0/0,::/0 "
        "endpoint {}:51820\n";
    check_features({{"WireGuard", keys + fmt::format(fmt::runtime(peer), 1, 2, "$b"),
                     keys + fmt::format(fmt::runtime(peer), 2, 1, "$a"), "x0"}});
}

TEST_CASE("modules: a label of MPLS between two routers", "[.modules]") {
    check_features({{"MPLS",
                     "modprobe mpls_iptunnel\n"
                     "ip route replace $to encap mpls 100 via $b dev eth1\n"
                     "ip -6 route replace $to6 encap mpls 100 via $b6 dev eth1",
                     "modprobe mpls_router\n"
                     "echo 1000 >/proc/sys/net/mpls/platform_labels\n"
                     "echo 1 >/proc/sys/net/mpls/conf/eth0/input\n"
                     "ip -f mpls route add 100 dev lo",
                     "",
                     {4, 6},
                     "",
                     "",
                     false}});
}

/// r1 sends each probe within another packet, which r2 does not take out.
TEST_CASE("modules: what a router wraps for nobody", "[.modules]") {
    const std::vector<Feature> all{
        {"IPsec without a state", esp({"out"}), ""},
        {"MPLS with an unknown label",
         "modprobe mpls_iptunnel\n"
         "ip route replace $to encap mpls 100 via $b dev eth1",
         "modprobe mpls_router\n"
         "echo 1000 >/proc/sys/net/mpls/platform_labels\n"
         "echo 1 >/proc/sys/net/mpls/conf/eth0/input",
         "",
         {4},
         "",
         "",
         false},
    };
    for (const auto& feature : all) {
        Lab lab(Pins::with_process);
        build_feature(lab, feature);
        for (const auto& asked : only({"clsact", "isolated"})) {
            const auto result = ask(lab, two_source(lab, 4), two_destination(lab, 4), "22", asked);
            INFO(feature.name << ", " << asked.name << "\n" << result.text());
            CHECK(result.verdict("r1", "tcp", 22) == "YES");
            CHECK(result.verdict("r2", "tcp", 22) == "NO");
            CHECK(result.result("tcp", 22) == "NO");
        }
    }
}

TEST_CASE("modules: Open vSwitch between two routers", "[.modules]") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    lab.host("sw");
    const auto database = lab.directory() + "/ovs.db", socket = lab.directory() + "/ovs.sock";
    const Environment here{{"OVS_RUNDIR", lab.directory()}, {"OVS_LOGDIR", lab.directory()}};
    must({.arguments = {"ovsdb-tool", "create", database,
                        "/usr/share/openvswitch/vswitch.ovsschema"}});
    const Child server({.arguments = {"ovsdb-server", database, "--remote=punix:" + socket},
                        .netns = lab.netns("sw"),
                        .environment = here});
    const Child vswitch({.arguments = {"ovs-vswitchd", "unix:" + socket},
                         .netns = lab.netns("sw"),
                         .environment = here});
    build_feature(lab, {"Open vSwitch",
                        "",
                        "",
                        "x0",
                        {family},
                        "for each in 1 2; do ip link add p$each type veth peer name x$each\n"
                        "ip link set p$each up; done\n"
                        "ip link set x1 netns $r1 name x0; ip link set x2 netns $r2 name x0\n"
                        "ovs-vsctl --db=unix:$tmp/ovs.sock --retry --timeout=60 add-br br0 "
                        "-- add-port br0 p1 -- add-port br0 p2"});
    REQUIRE(feature_works(lab, family));
    check_feature(lab, family, only({"clsact", "netfilter", "isolated"}));
}

namespace {

/// r2 is the director of 22/tcp; nobody serves 23/tcp.
void direct(const Lab& lab, const std::string& address, int family, const std::string& how) {
    const auto with_port = [family](const std::string& host, int port) {
        return family == 6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
    };
    for (const auto& [protocol, port] : {std::pair{"-t", 22}, std::pair{"-t", 23},
                                         std::pair{"-u", 33434}, std::pair{"-u", 33435}}) {
        const auto service = with_port(address, port);
        lab.in("r2", {"ipvsadm", "-A", protocol, service, "-s", "rr"});
        if (port != 23)
            lab.in("r2", {"ipvsadm", "-a", protocol, service, "-r",
                          with_port(two_destination(lab, family), port), how});
    }
}

}  // namespace

TEST_CASE("modules: IPVS at a router that has the service's address", "[.modules]") {
    const int family = GENERATE(4, 6);
    const std::string how = GENERATE("-m", "-g");  // by NAT, direct routing
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto address = lab.address(family, 3, 5);
    for (const char* node : {"r2", "dst"})
        if (node == std::string("r2") || how == "-g")
            lab.ip(node, {fmt::format("addr add {} dev lo", address)});
    direct(lab, address, family, how);
    REQUIRE(observe(lab, address, {{"tcp", 22}, {"tcp", 23}}) == std::vector<bool>{true, false});
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), address, "22,23", asked);
        INFO("IPv" << family << " " << how << ", " << asked.name << "\n" << result.text());
        for (const char* router : {"r1", "r2"}) CHECK(result.verdict(router, "tcp", 22) == "YES");
        CHECK(result.has_note("r2", "tcp", 22, "translated:") == (how == "-m"));
        CHECK(result.verdict("r1", "tcp", 23) == "YES");
        CHECK(result.verdict("r2", "tcp", 23) == "NO");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("tcp", 23) == "NO");
    }
}
