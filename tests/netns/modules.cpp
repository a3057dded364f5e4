// SPDX-License-Identifier: BSD-2-Clause
// Devices of modules that a distribution's kernel brings: scripts/kernels runs these tests in its
// guests. The truth of each is a plain packet.
#include "modules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/explain.hpp"

namespace ksms::lab {
namespace {

void route(const Lab& lab, const std::string& node, int to, int link, int host,
           const std::string& table) {
    for (const int family : {4, 6}) {
        const auto line = fmt::format("route replace {} via {}{}", lab.subnet(family, to),
                                      lab.address(family, link, host), table);
        family == 4 ? lab.ip(node, {line}) : lab.ip6(node, {line});
    }
}

void give_address(const Lab& lab, const std::string& node, const std::string& device, int host) {
    lab.ip(node, {fmt::format("addr add {}/29 dev {}", lab.address(4, 4, host), device),
                  fmt::format("link set {} up", device)});
    lab.ip6(node, {fmt::format("addr add {}/64 dev {} nodad", lab.address(6, 4, host), device)});
}

/// What an interface that became a VRF's port has lost.
void give_back_addresses(const Lab& lab) {
    for (const auto& [node, interface, link, host] :
         {std::tuple{"r1", "eth0", 1, 2}, std::tuple{"r1", "eth1", 2, 1},
          std::tuple{"r2", "eth0", 2, 2}, std::tuple{"r2", "eth1", 3, 1}})
        lab.ip6(node, {fmt::format("addr replace {}/64 dev {} nodad", lab.address(6, link, host),
                                   interface)});
}

}  // namespace

void shell(const Lab& lab, const std::string& node, const std::string& commands) {
    if (commands.empty()) return;
    const auto known = fmt::format("a={} b={} a6={} b6={} to={} to6={} r1={} r2={} tmp={}\n",
                                   lab.address(4, 2, 1), lab.address(4, 2, 2), lab.address(6, 2, 1),
                                   lab.address(6, 2, 2), lab.subnet(4, 3), lab.subnet(6, 3),
                                   lab.netns("r1"), lab.netns("r2"), lab.directory());
    lab.in(node, {"sh", "-ec", known + commands});
}

void build_feature(Lab& lab, const Feature& feature) {
    build_two(lab);
    if (!feature.between.empty()) {
        if (std::ranges::find(lab.nodes(), "sw") == lab.nodes().end()) lab.host("sw");
        shell(lab, "sw", feature.between);
    }
    shell(lab, "r1", feature.at_r1);
    shell(lab, "r2", feature.at_r2);
    const bool joined = !feature.device.empty();
    if (joined) {
        give_address(lab, "r1", feature.device, 1);
        give_address(lab, "r2", feature.device, 2);
    }
    if (!feature.table.empty()) give_back_addresses(lab);
    if (feature.routed) {
        route(lab, "r1", 3, joined ? 4 : 2, 2, feature.table);
        route(lab, "r2", 1, joined ? 4 : 2, 1, feature.table);
    }
    lab.rules("r2", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
}

bool feature_works(const Lab& lab, int family) {
    return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
           std::vector<bool>{true, false};
}

void check_feature(const Lab& lab, int family, const std::vector<Asked>& ways) {
    const auto source = two_source(lab, family), destination = two_destination(lab, family);
    for (const auto& asked : ways) {
        const auto result = ask(lab, source, destination, "22,23", asked);
        INFO(asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.verdict("r1", "tcp", 23) == "YES");
        CHECK(result.verdict("r2", "tcp", 23) == "NO");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("tcp", 23) == "NO");
    }
    auto arguments = scan_arguments(source, destination, "23");
    arguments.front() = "explain";
    const Explained explained(lab, run(ksmsctl(lab, arguments)));
    INFO("explain\n" << explained.text());
    CHECK(explained.verdict("r1", "tcp", 23) == "YES");
    REQUIRE(explained.verdict("r2", "tcp", 23) == "NO");
    const auto rule = explained.hop("r2", "tcp", 23)["rule"];
    REQUIRE(rule.is_object());
    CHECK(rule["number"] == 1);
}

void check_features(const std::vector<Feature>& features) {
    for (const auto& feature : features) {
        for (const int family : feature.families) {
            DYNAMIC_SECTION(feature.name << ", IPv" << family) {
                Lab lab(Pins::with_process);
                build_feature(lab, feature);
                REQUIRE(feature_works(lab, family));
                check_feature(lab, family,
                              family == feature.families.front() ? in_every_way()
                                                                 : only({"clsact", "isolated"}));
            }
        }
    }
}

}  // namespace ksms::lab

using ksms::lab::check_features;

TEST_CASE("modules: devices upon an interface", "[.modules]") {
    check_features({
        {"VLAN", "ip link add link eth1 name x0 type vlan id 5",
         "ip link add link eth0 name x0 type vlan id 5", "x0"},
        {"VLAN in VLAN (802.1ad)",
         "ip link add link eth1 name q0 type vlan proto 802.1ad id 7; ip link set q0 up\n"
         "ip link add link q0 name x0 type vlan id 5",
         "ip link add link eth0 name q0 type vlan proto 802.1ad id 7; ip link set q0 up\n"
         "ip link add link q0 name x0 type vlan id 5",
         "x0"},
        {"ipvlan", "ip link add link eth1 name x0 type ipvlan mode l2",
         "ip link add link eth0 name x0 type ipvlan mode l2", "x0"},
        {"macvlan", "ip link add link eth1 name x0 type macvlan mode bridge",
         "ip link add link eth0 name x0 type macvlan mode bridge", "x0"},
    });
}

namespace {

/// A veth pair in "sw" and what stands upon its ends.
std::string upon_pair(const std::string& of_r1, const std::string& of_r2, const std::string& kind) {
    return fmt::format(
        "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up\n"
        "ip link add link {} name x0 netns $r1 type {}\n"
        "ip link add link {} name x0 netns $r2 type {}",
        of_r1, kind, of_r2, kind);
}

}  // namespace

TEST_CASE("modules: devices upon an interface of another namespace", "[.modules]") {
    const std::string macvlan = "macvlan mode bridge";
    check_features({
        {"macvlan, both upon one", "", "", "x0", {4, 6}, upon_pair("d0", "d0", macvlan)},
        {"macvlan, upon a veth pair", "", "", "x0", {6}, upon_pair("d0", "d1", macvlan)},
        {"VLAN, upon a veth pair", "", "", "x0", {4}, upon_pair("d0", "d1", "vlan id 5")},
    });
}

TEST_CASE("modules: VLANs and a bridge between", "[.modules]") {
    const std::string wires =
        "ip link add d0 type veth peer name x0 netns $r1; ip link set d0 up\n"
        "ip link add d1 type veth peer name t0 netns $r2; ip link set d1 up\n"
        "ip -n $r2 link set t0 up; ip -n $r2 link add link t0 name x0 type vlan id 5\n";
    check_features({
        {"a VLAN device as a port",
         "",
         "",
         "x0",
         {4},
         wires + "ip link add br0 type bridge; ip link set br0 up; ip link set d0 master br0\n"
                 "ip link add link d1 name d5 type vlan id 5; ip link set d5 up\n"
                 "ip link set d5 master br0"},
        {"a bridge that filters VLANs",
         "",
         "",
         "x0",
         {4},
         wires + "ip link add br0 type bridge vlan_filtering 1; ip link set br0 up\n"
                 "ip link set d0 master br0; ip link set d1 master br0\n"
                 "bridge vlan add dev d0 vid 5 pvid untagged; bridge vlan add dev d1 vid 5"},
    });
}

TEST_CASE("modules: VLANs that differ are two links", "[.modules]") {
    using namespace ksms::lab;
    Lab lab(Pins::with_process);
    build_feature(lab, {"VLANs", "ip link add link eth1 name x0 type vlan id 5",
                        "ip link add link eth0 name x0 type vlan id 6", "x0"});
    for (const int family : {4, 6}) {
        REQUIRE_THROWS(feature_works(lab, family));
        for (const auto& asked : only({"clsact", "isolated"})) {
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), "22", asked);
            INFO(asked.name << "\n" << result.text());
            // What passed POST_ROUTING a netfilter link tells (Linux 6.4).
            const bool assumes = asked.name == std::string("isolated") && is_linux(6, 4);
            CHECK(result.verdict("r1", "tcp", 22) == (assumes ? "YES" : "UNKNOWN"));
            CHECK(result.at("r2", "tcp", 22).is_null());
            if (assumes) CHECK(result.has_note("r1", "tcp", 22, "next-hop-missing"));
        }
    }
}

/// ipvlan looks for the destination's address among its own: what is to be routed on is given to
/// the namespace of its device.
TEST_CASE("modules: ipvlan upon an interface of another namespace", "[.modules]") {
    using namespace ksms::lab;
    Lab lab(Pins::with_process);
    build_feature(lab, {"ipvlan", "", "", "x0", {4}, upon_pair("d0", "d1", "ipvlan mode l2")});
    REQUIRE_THROWS(feature_works(lab, 4));
    for (const auto& asked : only({"clsact", "isolated"})) {
        const auto result = ask(lab, two_source(lab, 4), two_destination(lab, 4), "22", asked);
        INFO(asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "tcp", 22) == "UNKNOWN");
        CHECK(result.has_note("r2", "tcp", 22, "dropped-before-router"));
    }
}

TEST_CASE("modules: ports of a bond, a team, a VRF", "[.modules]") {
    const auto bond = [](const std::string& port) {
        return "ip link add x0 type bond mode active-backup; ip link set " + port +
               " down\nip link set " + port + " master x0";
    };
    const auto team = [](const std::string& port) {
        return "ip link add x0 type team; teamnl x0 setoption mode roundrobin\nip link set " +
               port + " down; ip link set " + port + " master x0; ip link set " + port + " up";
    };
    const std::string vrf =
        "ip link add v type vrf table 10; ip link set v up\n"
        "ip link set eth0 master v; ip link set eth1 master v";
    check_features({
        {"bond", bond("eth1"), bond("eth0"), "x0"},
        {"team", team("eth1"), team("eth0"), "x0"},
        {"VRF", vrf, vrf, "", {4, 6}, "", " table 10"},
    });
}

TEST_CASE("modules: tunnels", "[.modules]") {
    check_features({
        {"IPIP",
         "ip link add x0 type ipip local $a remote $b",
         "ip link add x0 type ipip local $b remote $a",
         "x0",
         {4}},
        {"GRE", "ip link add x0 type gre local $a remote $b",
         "ip link add x0 type gre local $b remote $a", "x0"},
        {"SIT",
         "ip link add x0 type sit local $a remote $b",
         "ip link add x0 type sit local $b remote $a",
         "x0",
         {6}},
        {"GRE over IPv6", "ip link add x0 type ip6gre local $a6 remote $b6",
         "ip link add x0 type ip6gre local $b6 remote $a6", "x0"},
        {"GENEVE", "ip link add x0 type geneve id 5 remote $b",
         "ip link add x0 type geneve id 5 remote $a", "x0"},
        {"VXLAN", "ip link add x0 type vxlan id 5 dstport 4789 local $a remote $b",
         "ip link add x0 type vxlan id 5 dstport 4789 local $b remote $a", "x0"},
    });
}
