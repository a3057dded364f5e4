// SPDX-License-Identifier: BSD-2-Clause
// What the predecessor answered wrongly; the numbers are those of tests/README.md.
#include <fmt/format.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

TEST_CASE("failure 1: several hosts own the source, each router is judged by its own entry") {
    // a - ra and b - rb own one address; both meet at m.
    Lab lab;
    for (const char* host : {"a", "b", "dst"}) lab.host(host);
    for (const char* router : {"ra", "rb", "m"}) lab.router(router);
    lab.link({"a", "eth1", 1}, {"ra", "eth0", 2}, 1);
    lab.link({"b", "eth1", 1}, {"rb", "eth0", 2}, 2);
    lab.link({"ra", "eth1", 1}, {"m", "eth0", 2}, 3);
    lab.link({"rb", "eth1", 1}, {"m", "eth1", 2}, 4);
    lab.link({"m", "eth2", 1}, {"dst", "eth0", 2}, 5);
    lab.default_route("a", 1, 2);
    lab.default_route("b", 2, 2);
    lab.default_route("ra", 3, 2);
    lab.default_route("rb", 4, 2);
    lab.default_route("dst", 5, 1);
    const auto shared = lab.address(4, 9, 1);
    for (const char* host : {"a", "b"}) lab.ip(host, {"addr add " + shared + "/32 dev eth1"});
    lab.rules("ra", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n");
    lab.rules("rb", Firewall::iptables_nft,
              "*filter\n-A FORWARD -p tcp --dport 80 -j DROP\nCOMMIT\n");

    const auto result = scan(lab, shared, lab.address(4, 5, 2), "22,25,80");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.verdict("ra", "tcp", 25, "a") == "NO");
    CHECK(result.verdict("ra", "tcp", 80, "a") == "YES");
    CHECK(result.verdict("rb", "tcp", 25, "b") == "YES");
    CHECK(result.verdict("rb", "tcp", 80, "b") == "NO");
    CHECK(result.verdict("ra", "tcp", 22, "b") == "-");
    CHECK(result.verdict("rb", "tcp", 22, "a") == "-");
    CHECK(result.verdict("m", "tcp", 22, "a") == "YES");
    CHECK(result.verdict("m", "tcp", 22, "b") == "YES");
    CHECK(result.verdict("m", "tcp", 25, "a") == "UNKNOWN");
    CHECK(result.verdict("m", "tcp", 25, "b") == "YES");
}

TEST_CASE("failure 2: the destination is the router itself, INPUT answers") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.rules("r2", Firewall::iptables_nft,
              "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n"
              "-A INPUT -p tcp --dport 80 -j ACCEPT\n-A INPUT -p udp --dport 161 -j ACCEPT\n"
              "-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT\n");
    for (const int family : {4, 6}) {
        const auto destination = lab.address(family, 2, 2);
        const auto listening = listen_in(lab.netns("r2"), destination, "tcp", 22);
        const auto result =
            scan(lab, chain_source(lab, family), destination, "22,25,80,161/udp,53/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        for (const int port : {22, 80}) CHECK(result.verdict("r2", "tcp", port) == "YES");
        CHECK(result.verdict("r2", "udp", 161) == "YES");
        CHECK(result.verdict("r2", "tcp", 25) == "NO");
        CHECK(result.verdict("r2", "udp", 53) == "NO");
        CHECK(result.has_note("r2", "tcp", 22, "local"));
        CHECK(result.verdict("r1", "tcp", 25) == "YES");
    }
}

TEST_CASE("failure 3: two runs never share a DSCP") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    Child first(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "8000-8999", {"--rate", "500", "--dscp", "50"})));
    REQUIRE(eventually(
        [&] { return run(ksmsctl(lab, {"registry", "show", "--dscp", "50"})).exit == 0; }));
    const auto second = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22",
                             {"--dscp", "50", "--wait", "0"});
    INFO(second.text());
    CHECK(second.exit() == 4);
    REQUIRE(second.document().is_object());
    CHECK(second.error().find(std::to_string(first.pid())) != std::string::npos);
    const auto third = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22");
    INFO(third.text());
    CHECK(third.exit() == 0);
    CHECK(third.field("dscp") != 50);
    first.signal(SIGINT);
    CHECK(first.wait().exit == 130);
}

TEST_CASE("failure 4: somebody else's packets with the same DSCP and port do not count") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    // Probes of port 25 are dropped; the stranger's packets, from his source port, pass.
    for (const int family : {4, 6})
        lab.rules("r1", Firewall::iptables_nft,
                  "*filter\n-A FORWARD -p tcp --dport 25 --sport 7777:7778 -j ACCEPT\n"
                  "-A FORWARD -p udp --dport 25 --sport 7777:7778 -j ACCEPT\n"
                  "-A FORWARD -p tcp --dport 25 -j DROP\n-A FORWARD -p udp --dport 25 -j DROP\n"
                  "COMMIT\n",
                  family);
    const int dscp = 41;
    for (const int family : {4, 6}) {
        const auto destination = chain_destination(lab, family);
        Capture arrived(lab.netns("dst"), "eth0");
        Child child(ksmsctl(
            lab, scan_arguments(chain_source(lab, family), destination, "25,25/udp,8000-8199",
                                {"--rate", "400", "--dscp", std::to_string(dscp)})));
        const auto stranger = [&](const char* protocol) {
            send_plain({.netns = lab.netns("src"),
                        .destination = destination,
                        .protocol = protocol,
                        .port = 25,
                        .tos = dscp << 2,
                        .source_port = protocol[0] == 't' ? 7777 : 7778});
        };
        while (!child.ended(milliseconds{5})) {
            stranger("tcp");
            stranger("udp");
        }
        const Scan result(lab, child.wait());
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(arrived.saw("tcp", 25));
        REQUIRE(arrived.saw("udp", 25));
        REQUIRE(result.exit() == 0);
        CHECK(result.verdict("r1", "tcp", 25) == "NO");
        CHECK(result.verdict("r1", "udp", 25) == "NO");
        CHECK(result.verdict("r2", "tcp", 25) == "UNKNOWN");
        CHECK(result.verdict("r1", "tcp", 8000) == "YES");
    }
}

TEST_CASE("failure 5: DNAT to another port, a rewritten DSCP, an ACCEPT in POSTROUTING are YES") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto target = lab.address(4, 4, 2);
    lab.rules("r1", Firewall::iptables_nft,
              fmt::format("*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination {}:8080\n"
                          "COMMIT\n*mangle\n-A FORWARD -p tcp --dport 22 -j DSCP --set-dscp 0\n"
                          "-A POSTROUTING -p tcp --dport 443 -j ACCEPT\nCOMMIT\n",
                          target),
              4);
    const auto result = scan(lab, chain_source(lab, 4), target, "22,80,443");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    for (const int port : {22, 80, 443}) {
        CHECK(result.verdict("r1", "tcp", port) == "YES");
        CHECK(result.verdict("r3", "tcp", port) == "YES");
    }
    CHECK(result.has_note("r1", "tcp", 80, "translated:" + target + ":8080"));
    CHECK(result.has_note("r1", "tcp", 22, "remarked:0"));
}

/// Every firewall drops 25/tcp and 53/udp in this chain of this table (or this hook at this
/// priority); the rest passes.
void check_dropped_in(const std::string& table, const std::string& chain, const std::string& hook,
                      const std::string& priority) {
    const auto iptables = fmt::format(
        "*{0}\n-A {1} -p tcp --dport 25 -j DROP\n-A {1} -p udp --dport 53 -j DROP\nCOMMIT\n", table,
        chain);
    const auto nftables = fmt::format(
        "table inet t {{ chain c {{ type filter hook {} priority {}\n"
        "tcp dport 25 drop\nudp dport 53 drop\n}}\n}}\n",
        hook, priority);
    for (const char* router : {"r1", "r2", "r3"}) {
        Lab lab;
        build_chain(lab, {.firewalls = false});
        const std::string name = router;
        if (name == "r3")
            lab.nft("r3", nftables);
        else
            lab.rules(name, name == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
                      iptables);
        for (const int family : {4, 6}) {
            const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                     "25,22,53/udp");
            INFO("IPv" << family << " at " << router << "\n" << result.text());
            REQUIRE(result.exit() == 0);
            CHECK(result.verdict(router, "tcp", 25) == "NO");
            CHECK(result.verdict(router, "udp", 53) == "NO");
            CHECK(result.verdict(router, "tcp", 22) == "YES");
            CHECK(result.end("tcp", 25)["stopped_at"] == lab.netns(router));
            CHECK(result.end("tcp", 25)["reason"] == "NETFILTER_DROP");
        }
    }
}

TEST_CASE("failure 6: dropped in POSTROUTING is NO, not YES") {
    check_dropped_in("mangle", "POSTROUTING", "postrouting", "mangle");
}

TEST_CASE("failure 7: dropped in raw PREROUTING is NO, not UNKNOWN") {
    check_dropped_in("raw", "PREROUTING", "prerouting", "raw");
}

TEST_CASE("failure 7: dropped in mangle PREROUTING is NO, not UNKNOWN") {
    check_dropped_in("mangle", "PREROUTING", "prerouting", "mangle");
}

TEST_CASE("failure 8: policy routing by port, protocol, source and tos: the right interface") {
    // r1 reaches dst by way of up (eth1) or down (eth2).
    Lab lab;
    for (const char* host : {"src", "dst"}) lab.host(host);
    for (const char* router : {"r1", "up", "down", "r4"}) lab.router(router);
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"up", "eth0", 2}, 2);
    lab.link({"r1", "eth2", 1}, {"down", "eth0", 2}, 3);
    lab.link({"up", "eth1", 1}, {"r4", "eth0", 2}, 4);
    lab.link({"down", "eth1", 1}, {"r4", "eth1", 2}, 5);
    lab.link({"r4", "eth2", 1}, {"dst", "eth0", 2}, 6);
    lab.default_route("src", 1, 2);
    lab.default_route("r1", 2, 2);
    lab.default_route("up", 4, 2);
    lab.default_route("down", 5, 2);
    lab.default_route("r4", 4, 1);
    lab.default_route("dst", 6, 1);
    const auto second = lab.address(4, 1, 3);
    lab.ip("src", {"addr add " + second + "/29 dev eth1"});
    lab.ip("r1", {"route add default via " + lab.address(4, 3, 2) + " table 100",
                  "rule add pref 50 ipproto tcp dport 3306 lookup 100",
                  "rule add pref 51 ipproto udp lookup 100",
                  "rule add pref 52 from " + second + " lookup 100"});
    lab.ip6("r1", {"route add default via " + lab.address(6, 3, 2) + " table 100",
                   "rule add pref 50 ipproto tcp dport 3306 lookup 100",
                   "rule add pref 51 ipproto udp lookup 100"});
    const auto permanent_before = lab.in("r1", {"ip", "neigh", "show", "nud", "permanent"});
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, lab.address(family, 1, 1), lab.address(family, 6, 2), "22,3306,53/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.verdict("up", "tcp", 22) == "YES");
        CHECK(result.verdict("up", "tcp", 3306) == "-");
        CHECK(result.verdict("up", "udp", 53) == "-");
        CHECK(result.verdict("down", "tcp", 22) == "-");
        CHECK(result.verdict("down", "tcp", 3306) == "YES");
        CHECK(result.verdict("down", "udp", 53) == "YES");
        CHECK(result.verdict("r4", "tcp", 3306) == "YES");
        CHECK(result.count("yes") == 3);
    }
    const auto from_second = scan(lab, second, lab.address(4, 6, 2), "22");
    INFO(from_second.text());
    CHECK(from_second.verdict("down", "tcp", 22) == "YES");
    CHECK(from_second.verdict("up", "tcp", 22) == "-");
    CHECK(lab.in("r1", {"ip", "neigh", "show", "nud", "permanent"}) == permanent_before);
}

TEST_CASE("failure 8: a rule by tos catches some DSCPs, and the way is that of the user's packet") {
    Lab lab;
    for (const char* host : {"src", "dst"}) lab.host(host);
    for (const char* router : {"r1", "up", "down"}) lab.router(router);
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"up", "eth0", 2}, 2);
    lab.link({"r1", "eth2", 1}, {"down", "eth0", 2}, 3);
    lab.link({"up", "eth1", 1}, {"dst", "eth0", 2}, 4);
    lab.link({"down", "eth1", 1}, {"dst", "eth1", 2}, 5);
    const auto target = lab.address(4, 8, 1);
    lab.ip("dst", {"addr add " + target + "/32 dev lo"});
    lab.default_route("src", 1, 2);
    lab.default_route("r1", 2, 2);
    lab.default_route("up", 4, 2);
    lab.default_route("down", 5, 2);
    lab.default_route("dst", 4, 1);
    lab.ip("r1", {"route add default via " + lab.address(4, 3, 2) + " table 100",
                  "rule add pref 50 tos 0x10 lookup 100"});
    // The kernel compares three bits of the byte: DSCP 36 is 0x90.
    const auto unmarked = scan(lab, lab.address(4, 1, 1), target, "22", {"--dscp", "36"});
    INFO(unmarked.text());
    REQUIRE(unmarked.exit() == 0);
    CHECK(unmarked.verdict("up", "tcp", 22) == "YES");
    CHECK(unmarked.verdict("down", "tcp", 22) == "-");
    CHECK(unmarked.end("tcp", 22)["notes"] == nlohmann::json::array({"dscp-routed"}));
    const auto caught = scan(lab, lab.address(4, 1, 1), target, "22", {"--as-dscp", "36"});
    INFO(caught.text());
    REQUIRE(caught.exit() == 0);
    CHECK(caught.verdict("down", "tcp", 22) == "YES");
    CHECK(caught.verdict("up", "tcp", 22) == "-");
    const auto chosen = scan(lab, lab.address(4, 1, 1), target, "22");
    INFO(chosen.text());
    REQUIRE(chosen.exit() == 0);
    CHECK(chosen.verdict("up", "tcp", 22) == "YES");
}

TEST_CASE("failure 9: 1,000 services over a slow path, none lost") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 1:100 -j DROP\nCOMMIT\n");
    // 1,000 SYNs of some 74 bytes need longer than the queue holds: most of a burst is lost.
    lab.in("r1", {"tc", "qdisc", "add", "dev", "eth1", "root", "tbf", "rate", "2mbit", "burst",
                  "3000", "limit", "20000"});
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "1-1000", {"--retries", "10"});
    INFO(result.outcome().err);
    REQUIRE(result.exit() == 0);
    CHECK(result.count("unknown") == 0);
    CHECK(result.count("no") == 100);
    CHECK(result.count("yes") == 900);
}

TEST_CASE("failure 9: three routers with 100 services, and with 2,000") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.nft("r3",
            "table inet t { chain c { type filter hook forward priority 0\n"
            "tcp dport 1-40 drop\n}\n}\n");
    for (const int count : {100, 2000}) {
        const auto result =
            scan(lab, chain_source(lab, 4), chain_destination(lab, 4), fmt::format("1-{}", count));
        INFO(result.outcome().err);
        REQUIRE(result.exit() == 0);
        CHECK(result.count("unknown") == 0);
        CHECK(result.count("no") == 40);
        CHECK(result.count("yes") == count - 40);
    }
}

}  // namespace
