// SPDX-License-Identifier: BSD-2-Clause
// The source has rules and several routes of its own: a probe must leave it as a real packet does.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

/// src - r1 - dst and src - r2 - dst. By default everything goes by r1, which drops what is for
/// ports 80 and 81; r2 drops nothing.
struct TwoWays : Lab {
    TwoWays() {
        for (const char* name : {"src", "dst"}) host(name);
        for (const char* name : {"r1", "r2"}) router(name);
        link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        link({"src", "eth2", 1}, {"r2", "eth0", 2}, 2);
        link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 3);
        link({"r2", "eth1", 1}, {"dst", "eth1", 2}, 4);
        ip("dst", {"addr add " + target(4) + "/32 dev lo"});
        ip6("dst", {"addr add " + target(6) + "/128 dev lo nodad"});
        default_route("src", 1, 2);
        default_route("r1", 3, 2);
        default_route("r2", 4, 2);
        default_route("dst", 3, 1);
        route("r1", 2, 1, 1);
        route("r2", 1, 2, 1);
        rules("r1", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 80:81 -j DROP\n"
              "-A FORWARD -p udp --dport 80:81 -j DROP\nCOMMIT\n");
    }
    [[nodiscard]] std::string target(int family) const { return address(family, 8, 1); }
    [[nodiscard]] std::string source(int family) const { return address(family, 1, 1); }
    /// `ip rule add WHAT lookup 100` in both families, and what is there.
    void rule(const std::vector<std::string>& what) const {
        for (const int family : {4, 6}) {
            std::vector<std::string> lines{"route add default via " + address(family, 2, 2) +
                                           " table 100"};
            for (const auto& each : what) lines.push_back("rule add " + each + " lookup 100");
            family == 4 ? ip("src", lines) : ip6("src", lines);
        }
    }
};

/// Where a real packet of the source comes out: "r1" or "r2".
std::string real_way(const TwoWays& lab, int family, const std::string& protocol, int port) {
    Capture by_r1(lab.netns("r1"), "eth0"), by_r2(lab.netns("r2"), "eth0");
    send_plain({.netns = lab.netns("src"),
                .source = lab.source(family),
                .destination = lab.target(family),
                .protocol = protocol,
                .port = port});
    std::string way;
    REQUIRE(eventually([&] {
        if (by_r1.saw(protocol, port)) way = "r1";
        if (by_r2.saw(protocol, port)) way = "r2";
        return !way.empty();
    }));
    return way;
}

void check_way(const TwoWays& lab, const Scan& result, int family, const std::string& protocol,
               int port) {
    const auto way = real_way(lab, family, protocol, port);
    const bool dropped = way == "r1" && (port == 80 || port == 81);
    INFO(port << "/" << protocol << " really goes by " << way);
    CHECK(result.verdict(way, protocol, port) == (dropped ? "NO" : "YES"));
    CHECK(result.verdict(way == "r1" ? "r2" : "r1", protocol, port) == "-");
    CHECK(result.result(protocol, port) == (dropped ? "NO" : "YES"));
}

TEST_CASE("source: rules on protocol and port in the source's namespace lead its probes") {
    TwoWays lab;
    lab.rule({"pref 50 ipproto tcp dport 80", "pref 51 ipproto udp dport 53-80"});
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, lab.source(family), lab.target(family), "22,80,81,53/udp,80/udp,81/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        for (const int port : {22, 80, 81}) check_way(lab, result, family, "tcp", port);
        for (const int port : {53, 80, 81}) check_way(lab, result, family, "udp", port);
        CHECK(result.verdict("r2", "tcp", 80) == "YES");
        CHECK(result.verdict("r2", "udp", 80) == "YES");
        CHECK(result.verdict("r1", "tcp", 81) == "NO");
        CHECK(result.end("tcp", 80)["sent"] == 1);
        CHECK(result.field("destination_reached")[1]["reached"] == true);
    }
}

TEST_CASE("source: a rule on the protocol alone, and one on source ports") {
    for (const char* rule : {"pref 50 ipproto tcp", "pref 50 ipproto udp", "pref 50 ipproto icmp",
                             "pref 50 not ipproto udp", "pref 50 sport 1024-65534"}) {
        TwoWays lab;
        lab.rule({rule});
        for (const int family : {4, 6}) {
            const auto result = scan(lab, lab.source(family), lab.target(family), "22,80,80/udp");
            INFO(rule << " IPv" << family << "\n" << result.text());
            REQUIRE(result.exit() == 0);
            for (const int port : {22, 80}) check_way(lab, result, family, "tcp", port);
            check_way(lab, result, family, "udp", 80);
        }
    }
}

TEST_CASE("source: a listener at the end of such a way sees no connection, nothing is sent twice") {
    TwoWays lab;
    lab.rule({"pref 50 ipproto tcp dport 80"});
    lab.ip("dst", {"route replace default via " + lab.address(4, 4, 1)});
    const auto listening = listen_in(lab.netns("dst"), lab.target(4), "tcp", 80);
    Capture arrived(lab.netns("dst"), "eth1");
    const auto result = scan(lab, lab.source(4), lab.target(4), "80", {"--dscp", "44"});
    INFO(result.text());
    CHECK(result.verdict("r2", "tcp", 80) == "YES");
    int probes = 0;
    for (const auto& packet : arrived.packets())
        probes += packet.protocol == "tcp" && packet.port == 80 && packet.tos == 44 << 2 ? 1 : 0;
    CHECK(probes == 1);
    CHECK(lab.in("src", {"ss", "-tanH"}).empty());
    CHECK(
        eventually([&] { return lab.in("dst", {"ss", "-tanH", "exclude", "listening"}).empty(); }));
    CHECK(connects(lab.netns("src"), lab.target(4), 80));
}

TEST_CASE("source: 65,535 services of which a rule leads some thousand another way") {
    TwoWays lab;
    lab.rule({"pref 50 ipproto tcp dport 1000-8999"});
    const auto result = scan(lab, lab.source(4), lab.target(4), "T:-");
    INFO(result.outcome().err);
    REQUIRE(result.exit() == 0);
    CHECK(result.count("unknown") == 0);
    CHECK(result.count("no") == 2);
    CHECK(result.verdict("r2", "tcp", 8999) == "YES");
    CHECK(result.verdict("r1", "tcp", 9000) == "YES");
}

TEST_CASE("source: its own firewall's mark leads the probe as it leads everybody's packets") {
    TwoWays lab;
    lab.rule({"pref 50 fwmark 7"});
    lab.rules("src", Firewall::iptables_nft,
              "*mangle\n-A OUTPUT -p tcp --dport 80 -j MARK --set-mark 7\nCOMMIT\n");
    for (const int family : {4, 6}) {
        const auto result = scan(lab, lab.source(family), lab.target(family), "80,81");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(real_way(lab, family, "tcp", 80) == "r2");
        CHECK(result.result("tcp", 80) == "YES");
        CHECK(result.verdict("r1", "tcp", 81) == "NO");
    }
}

TEST_CASE("source: several next hops of one route, each service goes where its hash leads") {
    TwoWays lab;
    lab.sysctl("src", "ipv4/fib_multipath_hash_policy", "1");
    lab.ip("src", {fmt::format("route replace default nexthop via {} nexthop via {}",
                               lab.address(4, 1, 2), lab.address(4, 2, 2))});
    // One of a link's own would tie it to that link (Linux 6.16).
    const auto source = lab.address(4, 9, 1);
    lab.ip("src", {"addr add " + source + "/32 dev lo"});
    const auto result = scan(lab, source, lab.target(4), "8000-8031");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("yes") == 32);
    int by_r2 = 0;
    for (int port = 8000; port < 8032; ++port)
        by_r2 += result.verdict("r2", "tcp", port) == "YES" ? 1 : 0;
    CHECK(by_r2 > 0);
    CHECK(by_r2 < 32);
}

}  // namespace
