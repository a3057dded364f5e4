// SPDX-License-Identifier: BSD-2-Clause
// Devices and features of modules that a distribution's kernel brings: scripts/kernels runs these
// tests in its guests. The truth of each is a plain packet.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;

/// Something between r1 and r2, or in one of them, through which 22/tcp goes on.
struct Feature {
    const char* name;
    /// What r1 does, then r2, as lines for `ip`; {a} and {b}: the addresses of r1 and r2 on their
    /// link, {6a} and {6b} the same in IPv6.
    std::vector<std::string> at_r1, at_r2;
    std::string device{};  ///< that joins them now, by link 4; "": eth1 and eth0 still do
    std::vector<int> families{4, 6};
};

const std::vector<Feature>& features() {
    static const std::vector<Feature> all{
        {"VLAN",
         {"link add link eth1 name x0 type vlan id 5"},
         {"link add link eth0 name x0 type vlan id 5"},
         "x0"},
        {"VLAN in VLAN (802.1ad)",
         {"link add link eth1 name q0 type vlan proto 802.1ad id 7", "link set q0 up",
          "link add link q0 name x0 type vlan id 5"},
         {"link add link eth0 name q0 type vlan proto 802.1ad id 7", "link set q0 up",
          "link add link q0 name x0 type vlan id 5"},
         "x0"},
        {"bond",
         {"link add x0 type bond mode active-backup", "link set eth1 down",
          "link set eth1 master x0"},
         {"link add x0 type bond mode active-backup", "link set eth0 down",
          "link set eth0 master x0"},
         "x0"},
        {"ipvlan",
         {"link add link eth1 name x0 type ipvlan mode l2"},
         {"link add link eth0 name x0 type ipvlan mode l2"},
         "x0"},
        {"macvlan",
         {"link add link eth1 name x0 type macvlan mode bridge"},
         {"link add link eth0 name x0 type macvlan mode bridge"},
         "x0"},
        {"VRF",
         {"link add v type vrf table 10", "link set v up", "link set eth0 master v",
          "link set eth1 master v"},
         {"link add v type vrf table 10", "link set v up", "link set eth0 master v",
          "link set eth1 master v"}},
        {"IPIP",
         {"link add x0 type ipip local {a} remote {b}"},
         {"link add x0 type ipip local {b} remote {a}"},
         "x0",
         {4}},
        {"GRE",
         {"link add x0 type gre local {a} remote {b}"},
         {"link add x0 type gre local {b} remote {a}"},
         "x0"},
        {"SIT",
         {"link add x0 type sit local {a} remote {b}"},
         {"link add x0 type sit local {b} remote {a}"},
         "x0",
         {6}},
        {"GRE over IPv6",
         {"link add x0 type ip6gre local {6a} remote {6b}"},
         {"link add x0 type ip6gre local {6b} remote {6a}"},
         "x0"},
        {"GENEVE",
         {"link add x0 type geneve id 5 remote {b}"},
         {"link add x0 type geneve id 5 remote {a}"},
         "x0"},
        {"VXLAN",
         {"link add x0 type vxlan id 5 dstport 4789 local {a} remote {b}"},
         {"link add x0 type vxlan id 5 dstport 4789 local {b} remote {a}"},
         "x0"},
    };
    return all;
}

std::string with(const Lab& lab, std::string line) {
    const auto put = [&line](const std::string& where, const std::string& what) {
        for (auto at = line.find(where); at != std::string::npos; at = line.find(where))
            line.replace(at, where.size(), what);
    };
    put("{a}", lab.address(4, 2, 1));
    put("{b}", lab.address(4, 2, 2));
    put("{6a}", lab.address(6, 2, 1));
    put("{6b}", lab.address(6, 2, 2));
    return line;
}

void route(const Lab& lab, const std::string& node, int to, int link, int host,
           const std::string& table) {
    lab.ip(node, {fmt::format("route replace {} via {}{}", lab.subnet(4, to),
                              lab.address(4, link, host), table)});
    lab.ip6(node, {fmt::format("route replace {} via {}{}", lab.subnet(6, to),
                               lab.address(6, link, host), table)});
}

void put_at(const Lab& lab, const std::string& node, const std::vector<std::string>& lines,
            const std::string& device, int host) {
    std::vector<std::string> all;
    for (const auto& line : lines) all.push_back(with(lab, line));
    lab.ip(node, all);
    if (device.empty()) return;
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

void build_with(Lab& lab, const Feature& feature) {
    build_two(lab);
    put_at(lab, "r1", feature.at_r1, feature.device, 1);
    put_at(lab, "r2", feature.at_r2, feature.device, 2);
    const bool vrf = feature.device.empty();
    if (vrf) give_back_addresses(lab);
    const int link = vrf ? 2 : 4;
    const std::string table = vrf ? " table 10" : "";
    route(lab, "r1", 3, link, 2, table);
    route(lab, "r2", 1, link, 1, table);
    lab.rules("r2", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
}

}  // namespace

TEST_CASE("modules: a device between two routers", "[.modules]") {
    for (const auto& feature : features()) {
        for (const int family : feature.families) {
            Lab lab;
            INFO(feature.name << ", IPv" << family);
            bool there = false;
            try {
                build_with(lab, feature);
                there = observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
                        std::vector<bool>{true, false};
            } catch (const std::exception& error) {
                WARN(error.what());
            }
            CHECK(there);
            if (!there) continue;
            for (const auto& asked : in_every_way()) {
                const auto result =
                    ask(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
                INFO(asked.name << "\n" << result.text());
                CHECK(result.verdict("r1", "tcp", 22) == "YES");
                CHECK(result.verdict("r2", "tcp", 22) == "YES");
                CHECK(result.verdict("r1", "tcp", 23) == "YES");
                CHECK(result.verdict("r2", "tcp", 23) == "NO");
                CHECK(result.result("tcp", 22) == "YES");
                CHECK(result.result("tcp", 23) == "NO");
            }
        }
    }
}

namespace {

struct Queueing {
    const char* name;
    std::vector<std::string> qdisc;
};

}  // namespace

TEST_CASE("modules: a queueing discipline behind the egress tap", "[.modules]") {
    const std::vector<Queueing> all{
        {"netem delay", {"netem", "delay", "100ms"}},
        {"netem duplicate", {"netem", "duplicate", "100%"}},
        {"netem reorder", {"netem", "delay", "20ms", "reorder", "25%", "50%"}},
        {"fq_codel", {"fq_codel"}},
        {"cake", {"cake", "bandwidth", "1mbit"}},
        {"sfq", {"sfq"}},
    };
    for (const auto& queueing : all) {
        Lab lab;
        INFO(queueing.name);
        build_two(lab);
        std::vector<std::string> command{"tc", "qdisc", "replace", "dev", "eth1", "root"};
        command.insert(command.end(), queueing.qdisc.begin(), queueing.qdisc.end());
        lab.in("r1", command);
        lab.rules("r2", Firewall::iptables_nft,
                  "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
        REQUIRE(observe(lab, two_destination(lab, 4), {{"tcp", 22}, {"tcp", 23}}) ==
                std::vector<bool>{true, false});
        for (const auto& asked : in_every_way()) {
            const auto result =
                ask(lab, two_source(lab, 4), two_destination(lab, 4), "22,23,80-99", asked);
            INFO(asked.name << "\n" << result.text());
            CHECK(result.count("no") == 1);
            CHECK(result.count("yes") == 21);
            CHECK(result.result("tcp", 23) == "NO");
        }
    }
}

TEST_CASE("modules: an nftables flowtable takes no first packet past the rules", "[.modules]") {
    Lab lab;
    build_two(lab);
    lab.nft("r2", R"(table inet t {
        flowtable f {
            hook ingress priority 0
            devices = { eth0, eth1 }
        }
        chain c {
            type filter hook forward priority 0
            ip protocol { tcp, udp } flow add @f
            tcp dport 23 drop
        }
    })");
    REQUIRE(observe(lab, two_destination(lab, 4), {{"tcp", 22}, {"tcp", 23}}) ==
            std::vector<bool>{true, false});
    for (const auto& asked : in_every_way()) {
        const auto result =
            ask(lab, two_source(lab, 4), two_destination(lab, 4), "22,23,53/udp", asked);
        INFO(asked.name << "\n" << result.text());
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("udp", 53) == "YES");
        CHECK(result.result("tcp", 23) == "NO");
    }
}
