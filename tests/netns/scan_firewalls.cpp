// SPDX-License-Identifier: BSD-2-Clause
// Three firewalls in a row, IPv4 and IPv6, both ways to attach, both kinds of tap: every verdict is
// what plain packets met.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

/// @param passes  routers that forward it, in order
void check_row(const Scan& result, const ChainService& service, int passes) {
    INFO(service.port << "/" << service.protocol << ": " << service.how);
    for (int at = 0; at < 3; ++at) {
        const auto& router = kRouters[static_cast<std::size_t>(at)];
        INFO("at " << router);
        const auto row = result.at(router, service.protocol, service.port);
        REQUIRE_FALSE(row.is_null());
        CHECK(row["result"] == (at < passes ? "YES" : at == passes ? "NO" : "UNKNOWN"));
        if (at < passes) {
            CHECK(row["ingress"]["packets"] >= 1);
            CHECK(row["egress"]["packets"] >= 1);
            CHECK(row["reason"].is_null());
        }
        if (at == passes) CHECK(row["reason"] == "NETFILTER_DROP");
        if (at > passes) {
            const auto stopped = result.at(kRouters[static_cast<std::size_t>(passes)],
                                           service.protocol, service.port);
            CHECK(row["reason"].get<std::string>().starts_with("stopped_before:"));
        }
    }
    const auto end = result.end(service.protocol, service.port);
    REQUIRE_FALSE(end.is_null());
    CHECK(end["result"] == (passes == 3 ? "YES" : "NO"));
    if (passes == 3)
        CHECK(end["stopped_at"].is_null());
    else
        CHECK(end["stopped_at"].get<std::string>().ends_with(
            kRouters[static_cast<std::size_t>(passes)]));
}

void check_reached(const Scan& result, const ChainService& service, int passes) {
    const auto destination_reached_ = result.field("destination_reached");
    for (const auto& row : destination_reached_)
        if (row["protocol"] == service.protocol && row["port"] == service.port)
            CHECK(row["reached"] == (passes == 3));
}

void check_all(const std::string& attach, const std::string& tap) {
    Lab lab;
    build_chain(lab);
    for (const int family : {4, 6}) {
        INFO("IPv" << family << ", KSMS_ATTACH=" << attach << " --tap " << tap);
        const auto truth = observe_chain(lab, family, chain_services());
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 chain_ports(), {"--tap", tap}, {{"KSMS_ATTACH", attach}});
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.field("state") == "done");
        CHECK(result.field("routers").size() == 3);
        CHECK(result.count("unknown") == 0);
        for (std::size_t i = 0; i < truth.size(); ++i) {
            check_row(result, chain_services()[i], truth[i]);
            check_reached(result, chain_services()[i], truth[i]);
        }
    }
}

TEST_CASE("three firewalls: clsact taps") {
    check_all("clsact", "tc");
}

TEST_CASE("three firewalls: TCX taps") {
    check_all("tcx", "tc");
}

TEST_CASE("three firewalls: XDP ingress with clsact egress") {
    check_all("clsact", "xdp");
}

TEST_CASE("three firewalls: XDP ingress with TCX egress") {
    check_all("tcx", "xdp");
}

TEST_CASE("three firewalls: taps that stand are used, and stay") {
    Lab lab;
    build_chain(lab);
    for (const auto& router : kRouters) {
        const auto attached = run(ksmsctl(lab, {"tap", "attach", lab.netns(router)}));
        INFO(attached.err);
        REQUIRE(attached.exit == 0);
    }
    const auto before = full_state(lab);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports());
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    for (const auto& service : chain_services()) check_row(result, service, service.passes);
    CHECK(difference(before, full_state(lab)).empty());
    for (const auto& router : kRouters)
        CHECK(run(ksmsctl(lab, {"tap", "detach", lab.netns(router)})).exit == 0);
    const auto links = full_state(lab).at("BPF links");
    CHECK(links.empty());
}

TEST_CASE("one router of the path, and the first one only") {
    Lab lab;
    build_chain(lab);
    const auto only = [&](const std::vector<std::string>& more) {
        return scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,25,443", more);
    };
    const auto second = only({"--router", lab.netns("r2")});
    INFO(second.text());
    REQUIRE(second.exit() == 0);
    CHECK(second.field("routers").size() == 1);
    CHECK(second.verdict("r2", "tcp", 25) == "NO");
    CHECK(second.verdict("r2", "tcp", 443) == "YES");
    CHECK(second.result("tcp", 443) == "NO");  // r3, which is on the way all the same
    CHECK(second.end("tcp", 443)["stopped_at"] == lab.netns("r3"));
    const auto first = only({"--entry-only"});
    INFO(first.text());
    REQUIRE(first.exit() == 0);
    CHECK(first.field("routers").size() == 1);
    CHECK(first.verdict("r1", "tcp", 25) == "YES");
}

TEST_CASE("a destination that nobody owns: the last router answers all the same") {
    Lab lab;
    build_chain(lab, {.destination = false});
    const auto before = full_state(lab);
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), chain_ports());
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        for (const auto& service : chain_services()) check_row(result, service, service.passes);
        CHECK(result.has_note("r3", "tcp", 22, "neighbour-faked"));
    }
    const auto different = difference(before, full_state(lab));
    INFO(different);
    CHECK(full_state(lab).at(lab.netns("r3") + " neighbours").empty());
}

/// A local route takes addresses that no interface has, and IPv4 answers for them: no entry is
/// lent.
TEST_CASE("a destination that a host takes by a local route is reached") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto destination = lab.address(4, 4, 6);
    lab.ip("dst", {"route add local " + destination + " dev lo"});
    Capture there(lab.netns("dst"), "eth0");
    const auto result = scan(lab, chain_source(lab, 4), destination, "8001");
    INFO(result.text());
    CHECK(result.result("tcp", 8001) == "YES");
    CHECK_FALSE(result.has_note("r3", "tcp", 8001, "neighbour-faked"));
    CHECK(there.saw("tcp", 8001));
}

TEST_CASE("a bridge in a third namespace between two routers") {
    Lab lab;
    lab.host("src");
    lab.router("r1");
    lab.host("segment");
    lab.router("r2");
    lab.host("dst");
    lab.ip("segment", {"link add br0 type bridge", "link set br0 up"});
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.plug({"r1", "eth1", 1}, "segment", "br0", 2);
    lab.plug({"r2", "eth0", 2}, "segment", "br0", 2);
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.default_route("src", 1, 2);
    lab.default_route("r1", 2, 2);
    lab.default_route("r2", 2, 1);
    lab.default_route("dst", 3, 1);
    lab.rules("r2", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n");
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, lab.address(family, 1, 1), lab.address(family, 3, 2), "22,25,53/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.field("routers").size() == 2);
        CHECK(result.verdict("r1", "tcp", 25) == "YES");
        CHECK(result.verdict("r2", "tcp", 25) == "NO");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("udp", 53) == "YES");
    }
}

TEST_CASE("of two routers that own the next hop, the one that answers for it is judged") {
    Lab lab;
    lab.host("src");
    lab.router("r1");  // has the gateway's address on this link
    lab.router("r2");  // has it on another one, and answers all the same
    lab.host("segment");
    lab.host("dst");
    lab.ip("segment", {"link add br0 type bridge", "link set br0 up", "link add br1 type bridge",
                       "link set br1 up"});
    lab.plug({"src", "eth1", 1}, "segment", "br0", 1);
    lab.plug({"r1", "eth0", 2}, "segment", "br0", 1);
    lab.plug({"r2", "eth0", 3}, "segment", "br0", 1);
    lab.plug({"r1", "eth1", 1}, "segment", "br1", 2);
    lab.plug({"r2", "eth1", 2}, "segment", "br1", 2);
    lab.plug({"dst", "eth0", 3}, "segment", "br1", 2);
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 2, 1);
    lab.ip("r2", {"addr add " + lab.address(4, 1, 2) + "/32 dev eth1"});
    lab.rules("r2", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n", 4);
    const bool first = GENERATE(true, false);
    lab.ip(first ? "r2" : "r1", {"link set eth0 arp off"});
    lab.ip("src", {"neigh flush all nud all"});
    const std::string router = first ? "r1" : "r2", other = first ? "r2" : "r1";
    const auto result = scan(lab, lab.address(4, 1, 1), lab.address(4, 2, 3), "22,25");
    INFO(router << " answers\n" << result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.verdict(router, "tcp", 22) == "YES");
    CHECK(result.verdict(router, "tcp", 25) == (first ? "YES" : "NO"));
    CHECK(result.verdict(other, "tcp", 22) == "-");
    CHECK(result.result("tcp", 25) == (first ? "YES" : "NO"));
}

}  // namespace
