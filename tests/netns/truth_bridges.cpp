// SPDX-License-Identifier: BSD-2-Clause
// Bridges that firewalls look at, and places that are told by their right name.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;

/// src and pod share a node's bridge; 80/tcp to a service address is translated to the pod.
void build_node(Lab& lab, int family) {
    lab.host("src");
    lab.router("node");
    lab.host("pod");
    lab.ip("node", {"link add br0 type bridge mcast_snooping 0", "link set br0 up",
                    fmt::format("addr add {}/29 dev br0", lab.address(4, 1, 3))});
    lab.ip6("node", {fmt::format("addr add {}/64 dev br0 nodad", lab.address(6, 1, 3))});
    lab.plug({"src", "eth1", 1}, "node", "br0", 1);
    lab.plug({"pod", "eth0", 2}, "node", "br0", 1);
    for (const char* host : {"src", "pod"}) lab.default_route(host, 1, 3);
    lab.sysctl("node", "bridge/bridge-nf-call-iptables", "1");
    lab.sysctl("node", "bridge/bridge-nf-call-ip6tables", "1");
    const auto pod = lab.address(family, 1, 2);
    lab.rules("node", Firewall::iptables_legacy,
              fmt::format("*nat\n-A PREROUTING -d {}/{} -p tcp --dport 80 -j DNAT --to-destination "
                          "{}\nCOMMIT\n",
                          lab.address(family, 5, 1), family == 4 ? 32 : 128,
                          family == 4 ? pod + ":80" : "[" + pod + "]:80"),
              family);
}

}  // namespace

TEST_CASE("truth: DNAT back to the same bridge with bridge-nf-call-iptables") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    const auto service = lab.address(family, 5, 1);
    given("the pod is reached by the service's address", [&] {
        build_node(lab, family);
        const auto listening = listen_in(lab.netns("pod"), lab.address(family, 1, 2), "tcp", 80);
        return eventually([&] { return connects(lab.netns("src"), service, 80); });
    });
    for (const auto& asked : by_every_tap()) {
        const auto result = ask(lab, lab.address(family, 1, 1), service, "80", asked, kImpatient);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("node", "tcp", 80) == "YES");
        CHECK(result.result("tcp", 80) == "YES");
    }
}

TEST_CASE("truth: a drop at nft's netdev hooks is not told as one of IP's") {
    const std::string at = GENERATE("ingress device eth0", "egress device eth1");
    const std::string told = at.starts_with("in") ? "INGRESS" : "EGRESS";
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("22/tcp stops, and 23/tcp passes", [&] {
        build_two(lab);
        lab.nft("r2", "table netdev t {\nchain i {\ntype filter hook " + at +
                          " priority 0\ntcp dport 22 drop\n}\n}\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
               std::vector<bool>{false, true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "22,23",
                                asked, kImpatient);
        INFO(at << ", IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "NO");
        CHECK(result.at("r2", "tcp", 22)["hook"] == told);
        CHECK(result.result("tcp", 23) == "YES");
    }
}

namespace {

/// src - r1 - a bridge of a namespace of its own - r2 - dst.
void build_bridged(Lab& lab, const std::string& between, const std::string& rule) {
    lab.host("src");
    lab.router("r1");
    lab.host("sw");
    lab.router("r2");
    lab.host("dst");
    lab.ip("sw", {"link add br0 type bridge mcast_snooping 0", "link set br0 up"});
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    if (between == "routers") {
        lab.plug({"r1", "eth1", 1}, "sw", "br0", 2);
        lab.plug({"r2", "eth0", 2}, "sw", "br0", 2);
        lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    } else {
        lab.link({"r1", "eth1", 1}, {"r2", "eth0", 2}, 2);
        lab.plug({"r2", "eth1", 1}, "sw", "br0", 3);
        lab.plug({"dst", "eth0", 2}, "sw", "br0", 3);
    }
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 3, 1);
    lab.route("r1", 3, 2, 2);
    lab.route("r2", 1, 2, 1);
    lab.nft("sw", "table bridge t {\nchain f {\ntype filter hook " + rule + " priority 0\n" +
                      "tcp dport 22 drop\n}\n}\n");
}

}  // namespace

TEST_CASE("truth: a bridge between two routers drops, and that is seen") {
    const std::string hook = GENERATE("forward", "prerouting", "postrouting");
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        given("22/tcp stops, and 23/tcp passes", [&] {
            build_bridged(lab, "routers", hook);
            return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
                   std::vector<bool>{false, true};
        });
        for (const auto& asked : only({"clsact", "netfilter", "isolated"})) {
            const auto result = ask(lab, two_source(lab, family), two_destination(lab, family),
                                    "22,23", asked, kImpatient);
            INFO("IPv" << family << ", " << hook << ", " << asked.name << "\n" << result.text());
            CHECK(result.verdict("r1", "tcp", 22) == "YES");
            CHECK(result.verdict("r2", "tcp", 22) == "UNKNOWN");
            CHECK(result.has_note("r2", "tcp", 22, "dropped-before-router"));
            CHECK(result.result("tcp", 23) == "YES");
        }
    }
}

TEST_CASE("truth: a bridge in front of the destination drops, and it was not reached") {
    const std::string hook = GENERATE("forward", "prerouting", "postrouting");
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        given("22/tcp stops, and 23/tcp passes", [&] {
            build_bridged(lab, "hosts", hook);
            return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
                   std::vector<bool>{false, true};
        });
        for (const auto& asked : only({"clsact", "netfilter"})) {
            const auto result = ask(lab, two_source(lab, family), two_destination(lab, family),
                                    "22,23", asked, kImpatient);
            INFO("IPv" << family << ", " << hook << ", " << asked.name << "\n" << result.text());
            CHECK(result.verdict("r2", "tcp", 22) == "YES");
            CHECK(result.verdict("r2", "tcp", 23) == "YES");
            for (const auto& row : result.field("destination_reached"))
                CHECK(row["reached"] == (row["port"] == 23));
        }
    }
}

TEST_CASE("truth: explain does not say that a route is missing where forwarding is off") {
    const std::string path =
        GENERATE("ipv4/ip_forward", "ipv4/conf/eth0/forwarding", "ipv6/conf/all/forwarding");
    const std::string router = GENERATE("r1", "r2");
    const int family = path[3] - '0';
    Lab lab(Pins::with_process);
    given("22/tcp stops for that, and passed before", [&] {
        build_two(lab);
        const bool before =
            observe(lab, two_destination(lab, family), {{"tcp", 22}}) == std::vector<bool>{true};
        lab.sysctl(router, path, "0");
        Capture there(lab.netns("dst"), "eth0");
        send_plain({.netns = lab.netns("src"),
                    .destination = two_destination(lab, family),
                    .protocol = "tcp",
                    .port = 22});
        return before && !eventually([&] { return there.saw("tcp", 22); }, milliseconds{50});
    });
    const auto told = run(ksmsctl(lab, {"explain", "-s", two_source(lab, family), "-d",
                                        two_destination(lab, family), "-P", "22"}));
    INFO(told.out << told.err);
    CHECK(told.out.find("no table has a route") == std::string::npos);
    CHECK(told.out.find("forward") != std::string::npos);
}

TEST_CASE("truth: explain does not say that a route is missing where rp_filter refused") {
    const std::string strict = GENERATE("1", "2");
    Lab lab(Pins::with_process);
    given("22/tcp stops for that, and passed before", [&] {
        build_two(lab);
        const bool before =
            observe(lab, two_destination(lab, 4), {{"tcp", 22}}) == std::vector<bool>{true};
        lab.ip("r2", {"route del " + lab.subnet(4, 1)});
        lab.sysctl("r2", "ipv4/conf/eth0/rp_filter", strict);
        Capture there(lab.netns("dst"), "eth0");
        send_plain({.netns = lab.netns("src"),
                    .destination = two_destination(lab, 4),
                    .protocol = "tcp",
                    .port = 22});
        return before && !eventually([&] { return there.saw("tcp", 22); }, milliseconds{50});
    });
    const auto told = run(ksmsctl(
        lab, {"explain", "-s", two_source(lab, 4), "-d", two_destination(lab, 4), "-P", "22"}));
    INFO(told.out << told.err);
    CHECK(told.out.find("no table has a route") == std::string::npos);
    CHECK(told.out.find("rp_filter") != std::string::npos);
}
