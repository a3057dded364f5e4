// SPDX-License-Identifier: BSD-2-Clause
// --mode isolated: a router is given what the routers before it would have given it.
#include <fmt/format.h>
#include <linux/bpf.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/tiny_program.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;
using ksms::Fd;

struct Earlier {
    const char* name;
    std::string at_r1, at_r2;  ///< for iptables-restore, with {} for the destination
    bool passes;               ///< 80/tcp
};

const std::vector<Earlier>& earlier_changes() {
    static const std::string translate =
        "*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination {}:8080\nCOMMIT\n";
    static const std::string remark =
        "*mangle\n-A FORWARD -p tcp --dport 80 -j DSCP --set-dscp 10\nCOMMIT\n";
    static const std::string masquerade =
        "*nat\n-A POSTROUTING -p tcp --dport 80 -j MASQUERADE\nCOMMIT\n";
    const auto drop = [](const std::string& match) {
        return "*filter\n-A FORWARD -p tcp " + match + " -j DROP\nCOMMIT\n";
    };
    static const std::vector<Earlier> all{
        {"DNAT, and r2 drops the old port", translate, drop("--dport 80"), true},
        {"DNAT, and r2 drops the new port", translate, drop("--dport 8080"), false},
        {"another DSCP, and r2 drops it", remark, drop("-m dscp --dscp 10"), false},
        {"another DSCP, and r2 drops all others", remark, drop("--dport 80 -m dscp ! --dscp 10"),
         true},
        {"SNAT, and r2 drops the old source", masquerade, drop("-s {source}/{all}"), true},
    };
    return all;
}

std::string with_addresses(const Lab& lab, int family, std::string text) {
    const auto put = [&](const std::string& where, const std::string& what) {
        for (auto at = text.find(where); at != std::string::npos; at = text.find(where))
            text.replace(at, where.size(), what);
    };
    const auto destination = two_destination(lab, family);
    put("{}", family == 4 ? destination : "[" + destination + "]");
    put("{source}", two_source(lab, family));
    put("{all}", family == 4 ? "32" : "128");
    return text;
}

void check_isolated(const Lab& lab, int family, bool passes, const std::string& ports = "80") {
    const auto result =
        ask(lab, two_source(lab, family), two_destination(lab, family), ports, in_isolated_mode());
    INFO("IPv" << family << "\n" << result.text());
    CHECK(result.verdict("r2", "tcp", 80) != (passes ? "NO" : "YES"));
    CHECK(result.result("tcp", 80) != (passes ? "NO" : "YES"));
}

}  // namespace

TEST_CASE("truth: isolated, and r1 changes what r2's rules look at") {
    const auto& earlier = earlier_changes()[GENERATE(range(std::size_t{0}, std::size_t{5}))];
    INFO(earlier.name);
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        given("80/tcp has this answer", [&] {
            build_two(lab);
            lab.rules("r1", Firewall::iptables_legacy, with_addresses(lab, family, earlier.at_r1),
                      family);
            lab.rules("r2", Firewall::iptables_legacy, with_addresses(lab, family, earlier.at_r2),
                      family);
            const bool translated = earlier.at_r1.find("DNAT") != std::string::npos;
            Capture there(lab.netns("dst"), "eth0");
            const auto sent = observe(lab, two_destination(lab, family), {{"tcp", 80}});
            return (sent[0] || (translated && there.saw("tcp", 8080))) == earlier.passes;
        });
        check_isolated(lab, family, earlier.passes);
    }
}

TEST_CASE("truth: isolated, and r1 changes what r3's rules look at, and r2 drops it") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto* remark = "*mangle\n-A FORWARD -p tcp --dport 80 -j DSCP --set-dscp 10\nCOMMIT\n";
    lab.rules("r1", Firewall::iptables_legacy, remark);
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp -m multiport --dports 80,81 -j DROP\nCOMMIT\n");
    lab.rules("r3", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n");
    const auto result = ask(lab, chain_source(lab, family), chain_destination(lab, family), "80-82",
                            in_isolated_mode());
    INFO(result.text());
    CHECK(result.has_note("r1", "tcp", 80, "remarked:10"));
    CHECK_FALSE(result.has_note("r2", "tcp", 80, "remarked:10"));
    CHECK(result.verdict("r2", "tcp", 80) == "NO");
    CHECK(result.verdict("r3", "tcp", 80) == "UNKNOWN");
    CHECK(result.at("r3", "tcp", 80)["reason"] == "not_sent:changed-before");
    CHECK(result.verdict("r3", "tcp", 81) == "YES");
    CHECK(result.result("tcp", 82) == "YES");
}

TEST_CASE("truth: isolated, and r2's firewall knows r1 by its MAC") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("what r1 sends passes", [&] {
        build_two(lab);
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -i eth0 -m mac ! --mac-source 02:00:00:00:02:01 -j DROP\n"
                  "COMMIT\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 80}}) == std::vector<bool>{true};
    });
    check_isolated(lab, family, true);
}

TEST_CASE("truth: isolated, and each router knows the one before it by its MAC, and r1 drops") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto only_from = [](const std::string& mac) {
        return "*filter\n-A FORWARD -i eth0 -m mac ! --mac-source " + mac + " -j DROP\n";
    };
    for (const int each : {4, 6}) {
        lab.rules("r1", Firewall::iptables_legacy,
                  only_from("02:00:00:00:01:01") + "-A FORWARD -p tcp --dport 81 -j DROP\nCOMMIT\n",
                  each);
        lab.rules("r2", Firewall::iptables_legacy, only_from("02:00:00:00:02:01") + "COMMIT\n",
                  each);
    }
    const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "80,81",
                            in_isolated_mode());
    INFO(result.text());
    CHECK(result.result("tcp", 80) == "YES");
    CHECK(result.verdict("r1", "tcp", 81) == "NO");
    CHECK(result.verdict("r2", "tcp", 81) == "YES");
}

namespace {

/// r2's interface to r1 is a bridge with the port eth0; 80/tcp stops there by that.
void build_behind_bridge(Lab& lab) {
    build_two(lab);
    lab.ip("r2",
           {"addr flush dev eth0", "link add br0 type bridge mcast_snooping 0", "link set br0 up",
            "link set eth0 master br0", fmt::format("addr add {}/29 dev br0", lab.address(4, 2, 2)),
            fmt::format("route replace {} via {}", lab.subnet(4, 1), lab.address(4, 2, 1))});
    lab.ip6("r2", {fmt::format("addr add {}/64 dev br0 nodad", lab.address(6, 2, 2)),
                   fmt::format("route replace {} via {}", lab.subnet(6, 1), lab.address(6, 2, 1))});
    lab.sysctl("r2", "bridge/bridge-nf-call-iptables", "1");
    lab.sysctl("r2", "bridge/bridge-nf-call-ip6tables", "1");
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 80 -m physdev --physdev-in eth0 -j DROP\n"
              "COMMIT\n");
}

}  // namespace

TEST_CASE("truth: isolated, and r2's firewall looks at the bridge's port") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("80/tcp stops by its port, and 81/tcp passes", [&] {
        build_behind_bridge(lab);
        return observe(lab, two_destination(lab, family), {{"tcp", 80}, {"tcp", 81}}) ==
               std::vector<bool>{false, true};
    });
    check_isolated(lab, family, false, "80,81");
}

TEST_CASE("truth: isolated, and r2's firewall looks at the bridge's port, and r1 drops") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_behind_bridge(lab);
    // A port by which nothing of r1 comes.
    lab.ip("r2", {"link add other type veth peer name there", "link set other master br0 up",
                  "link set there up"});
    lab.rules("r1", Firewall::iptables_legacy, "*filter\n-P FORWARD DROP\nCOMMIT\n");
    const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "80,81",
                            in_isolated_mode());
    INFO(result.text());
    CHECK(result.verdict("r1", "tcp", 81) == "NO");
    CHECK(result.verdict("r2", "tcp", 80) == "NO");
    CHECK(result.verdict("r2", "tcp", 81) == "YES");
    for (const auto& router : result.field("routers"))
        if (router["name"] == lab.netns("r2")) CHECK(router["ingress_iface"] == "br0");
}

TEST_CASE("truth: isolated, and by which port of a bridge the packets come is not known") {
    Lab lab(Pins::with_process);
    build_behind_bridge(lab);
    // Two wires, and a bridge at both ends; nothing goes by the second.
    const std::string unused =
        "link set more type bridge_slave flood off mcast_flood off "
        "bcast_flood off learning off";
    lab.ip("r1",
           {"addr flush dev eth1", "link add br1 type bridge mcast_snooping 0", "link set br1 up",
            "link set eth1 master br1", fmt::format("addr add {}/29 dev br1", lab.address(4, 2, 1)),
            fmt::format("route replace {} via {}", lab.subnet(4, 3), lab.address(4, 2, 2)),
            "link add more type veth peer name more netns " + lab.netns("r2"),
            "link set more master br1", unused, "link set more up"});
    lab.ip("r2", {"link set more master br0", unused, "link set more up"});
    lab.rules("r1", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 81 -j DROP\nCOMMIT\n");
    const auto result =
        ask(lab, two_source(lab, 4), two_destination(lab, 4), "80,81,82", in_isolated_mode());
    INFO(result.text());
    // What r1 lets through comes by some port.
    CHECK(result.verdict("r2", "tcp", 80) == "NO");
    CHECK(result.verdict("r2", "tcp", 82) == "YES");
    CHECK(result.verdict("r2", "tcp", 81) == "UNKNOWN");
    const auto reason = result.at("r2", "tcp", 81)["reason"].get<std::string>();
    CHECK(reason.find("by which port of br0") != std::string::npos);
}

TEST_CASE("truth: isolated, and a foreign XDP program drops at r2's interface") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    Fd dropping;
    given("nothing arrives any more", [&] {
        build_two(lab);
        const bool before =
            observe(lab, two_destination(lab, family), {{"tcp", 80}}) == std::vector<bool>{true};
        dropping = attach_tiny(lab.netns("r2"), "eth0", BPF_XDP, XDP_DROP);
        Capture there(lab.netns("dst"), "eth0");
        send_plain({.netns = lab.netns("src"),
                    .destination = two_destination(lab, family),
                    .protocol = "tcp",
                    .port = 80});
        return before && !eventually([&] { return there.saw("tcp", 80); }, milliseconds{50});
    });
    check_isolated(lab, family, false);
}

TEST_CASE("truth: isolated, and a foreign XDP program at each router's interface") {
    const int family = GENERATE(4, 6);
    const auto action = GENERATE(XDP_DROP, XDP_PASS);
    Lab lab(Pins::with_process);
    build_two(lab);
    lab.rules("r1", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 81 -j DROP\nCOMMIT\n");
    const auto at_r1 = attach_tiny(lab.netns("r1"), "eth0", BPF_XDP, XDP_PASS);
    const auto at_r2 = attach_tiny(lab.netns("r2"), "eth0", BPF_XDP, action);
    const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "80,81",
                            in_isolated_mode(), kImpatient);
    INFO(result.text());
    // Before Linux 6.4 nothing tells what passed POST_ROUTING towards a neighbour that is silent.
    const bool told = action == XDP_PASS || is_linux(6, 4);
    CHECK(result.verdict("r1", "tcp", 80) == (told ? "YES" : "UNKNOWN"));
    CHECK(result.verdict("r1", "tcp", 81) == "NO");
    // A frame that XDP drops is none of the stack's, and nobody reports it; r1 does not even learn
    // r2's address.
    const auto* at_second = action == XDP_PASS ? "YES" : "UNKNOWN";
    CHECK(result.verdict("r2", "tcp", 80) == at_second);
    CHECK(result.verdict("r2", "tcp", 81) == at_second);
}

namespace {

/// Nobody has the gateway of r2's route to link 7; r2 drops 23/tcp.
void build_without_gateway(Lab& lab) {
    build_two(lab);
    lab.route("r1", 7, 2, 2);
    lab.route("r2", 7, 3, 5);
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
}

void check_assumed(const Lab& lab, int family, const Asked& asked) {
    if (!is_linux(6, 4)) {
        WARN("SKIP: this kernel has no netfilter links, which tell what passed POST_ROUTING");
        return;
    }
    const auto result =
        ask(lab, two_source(lab, family), lab.address(family, 7, 2), "22,23", asked, kImpatient);
    INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
    CHECK(result.exit() == 0);
    CHECK(result.verdict("r2", "tcp", 22) == "YES");
    CHECK(result.has_note("r2", "tcp", 22, "next-hop-missing"));
    CHECK(result.verdict("r2", "tcp", 23) == "NO");
    CHECK(result.result("tcp", 23) == "NO");
}

}  // namespace

TEST_CASE("truth: a gateway that nobody has is assumed in isolated mode") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_without_gateway(lab);
    check_assumed(lab, family, in_isolated_mode());
}

TEST_CASE("truth: a gateway that nobody has is assumed where --next-hop says so") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_without_gateway(lab);
    check_assumed(lab, family, {"assume", {"--next-hop", "assume"}});
}

namespace {

void check_gateway_missing(int family, const std::vector<Asked>& ways) {
    Lab lab(Pins::with_process);
    build_without_gateway(lab);
    // It is known to be missing while the scan runs.
    for (const std::string each : {"ipv4", "ipv6"})
        lab.sysctl("r2", each + "/neigh/eth1/retrans_time_ms", "20");
    for (const auto& asked : ways) {
        const auto result = ask(lab, two_source(lab, family), lab.address(family, 7, 2), "22,23",
                                asked, kImpatient);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "UNKNOWN");
        CHECK(result.verdict("r2", "tcp", 23) == "NO");
    }
}

}  // namespace

TEST_CASE("truth: a gateway that nobody has is UNKNOWN in path mode (IPv6)") {
    check_gateway_missing(6, only({"clsact", "TCX", "XDP"}));
}

TEST_CASE("truth: a gateway that nobody has is UNKNOWN in path mode") {
    check_gateway_missing(4, by_every_tap());
    check_gateway_missing(6, only({"netfilter"}));
}
