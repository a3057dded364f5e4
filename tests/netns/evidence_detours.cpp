// SPDX-License-Identifier: BSD-2-Clause
// Ways that no route shows beforehand: a firewall translates a probe, and only that leads it on.
// The routers behind have their say all the same. The truth is their own counters.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/lab.hpp"

namespace {

using namespace ksms::lab;

std::string address(const Lab& lab, int family, int link, int host) {
    const auto plain = lab.address(family, link, host);
    return family == 6 ? "[" + plain + "]" : plain;
}

/// 80 and 81 are translated by r1; `drops` stops what 81 has become.
void firewalls(const Lab& lab, const std::string& drops, int link) {
    for (const int family : {4, 6}) {
        const auto to = address(lab, family, link, 3);
        lab.rules("r1", Firewall::iptables_nft,
                  fmt::format("*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination "
                              "{}:8080\n-A PREROUTING -p tcp --dport 81 -j DNAT "
                              "--to-destination {}:8081\nCOMMIT\n",
                              to, to),
                  family);
        lab.rules(drops, Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 8081 -j DROP\nCOMMIT\n", family);
    }
}

void add_addresses(const Lab& lab, const std::string& node, int link) {
    lab.ip(node, {fmt::format("addr add {}/29 dev eth0", lab.address(4, link, 3)),
                  fmt::format("addr add {}/64 dev eth0 nodad", lab.address(6, link, 3))});
}

/// Whether a rule of this router's firewall has counted packets.
bool has_counted(const Lab& lab, const std::string& router, int family, const std::string& chain,
                 const std::string& target) {
    const auto rules =
        lab.in(router, {family == 4 ? "iptables-legacy" : "ip6tables-legacy", "-nvxL", chain});
    return std::regex_search(rules, std::regex(R"(\n +[1-9]\d* +\d+ )" + target + " "));
}

bool has_dropped(const Lab& lab, const std::string& router, int family) {
    return has_counted(lab, router, family, "FORWARD", "DROP");
}

void check(const Lab& lab, const Scan& result, const std::string& behind) {
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.result("tcp", 80) == "YES");
    CHECK(result.verdict(behind, "tcp", 80) == "YES");
    CHECK(result.result("tcp", 81) == "NO");
    CHECK(result.end("tcp", 81)["stopped_at"] == lab.netns(behind));
    CHECK(result.verdict("r1", "tcp", 81) == "YES");
    CHECK(result.verdict(behind, "tcp", 81) == "NO");
    CHECK(result.at(behind, "tcp", 81)["reason"] == "NETFILTER_DROP");
}

}  // namespace

TEST_CASE("detours: what the first round left in a list is no NO of the second") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    add_addresses(lab, "dst", 4);
    firewalls(lab, "r3", 4);
    lab.ip("r1", {fmt::format("route add unreachable {}/32", lab.address(4, 4, 2))});
    lab.nft("r1", R"(table ip t {
        set bad {
            type ipv4_addr
            flags dynamic
        }
        chain p {
            type filter hook prerouting priority 0
            tcp dport 23 add @bad { ip saddr }
        }
        chain f {
            type filter hook forward priority 0
            ip saddr @bad drop
        }
    })");
    const auto result = scan(lab, lab.address(4, 1, 1), lab.address(4, 4, 2), "23,80,81");
    INFO(result.text());
    CHECK(result.result("tcp", 80) != "NO");
    CHECK(result.verdict("r1", "tcp", 81) != "NO");
}

TEST_CASE("detours: past a route that refuses, by a translation") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    add_addresses(lab, "dst", 4);
    firewalls(lab, "r3", 4);
    lab.ip("r1", {fmt::format("route add unreachable {}/32", lab.address(4, 4, 2))});
    lab.ip6("r1", {fmt::format("route add unreachable {}/128", lab.address(6, 4, 2))});

    const auto result = scan(lab, lab.address(family, 1, 1), lab.address(family, 4, 2), "80,81,82");
    check(lab, result, "r3");
    CHECK(result.verdict("r2", "tcp", 81) == "YES");
    CHECK(result.result("tcp", 82) == "NO");
    CHECK(result.end("tcp", 82)["stopped_at"] == lab.netns("r1"));
    CHECK(has_dropped(lab, "r3", family));
}

TEST_CASE("detours: to a router that is on nobody's way, by a translation") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    lab.host("src");
    for (const auto* router : {"r1", "r2", "side"}) lab.router(router);
    lab.host("dst");
    lab.host("other");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"r2", "eth0", 2}, 2);
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.link({"r1", "eth2", 1}, {"side", "eth0", 2}, 4);
    lab.link({"side", "eth1", 1}, {"other", "eth0", 2}, 5);
    lab.default_route("src", 1, 2);
    lab.default_route("r1", 2, 2);
    lab.route("r1", 5, 4, 2);
    lab.default_route("dst", 3, 1);
    lab.default_route("other", 5, 1);
    add_addresses(lab, "other", 5);
    firewalls(lab, "side", 5);

    const auto result = scan(lab, lab.address(family, 1, 1), lab.address(family, 3, 2), "80,81,82");
    check(lab, result, "side");
    CHECK(result.result("tcp", 82) == "YES");
    CHECK(result.at("side", "tcp", 82).is_null());
    CHECK(result.at("r2", "tcp", 80).is_null());
    CHECK(has_dropped(lab, "side", family));
}

TEST_CASE("detours: past a route that refuses, to the last router itself by another address") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto other = address(lab, family, 4, 1);  // r3's, as the destination is
    lab.rules("r1", Firewall::iptables_nft,
              fmt::format("*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination {}:8080\n"
                          "-A PREROUTING -p tcp --dport 81 -j DNAT --to-destination {}:8081\n"
                          "COMMIT\n",
                          other, other),
              family);
    lab.rules("r3", Firewall::iptables_legacy,
              "*filter\n-A INPUT -p tcp --dport 8080 -j ACCEPT\n"
              "-A INPUT -p tcp --dport 8081 -j DROP\nCOMMIT\n",
              family);
    lab.ip("r1", {fmt::format("route add unreachable {}/32", lab.address(4, 3, 2))});
    lab.ip6("r1", {fmt::format("route add unreachable {}/128", lab.address(6, 3, 2))});

    const auto result = scan(lab, lab.address(family, 1, 1), lab.address(family, 3, 2), "80,81,82");
    check(lab, result, "r3");
    CHECK(result.at("r3", "tcp", 81)["hook"] == "INPUT");
    for (const auto& service : result.field("destination_reached")) {
        INFO(service.dump());
        if (service["port"] == 80) CHECK(service["reached"] == true);
        if (service["port"] == 81) CHECK(service["reached"] == false);
    }
    CHECK(result.result("tcp", 82) == "NO");
    CHECK(result.end("tcp", 82)["stopped_at"] == lab.netns("r1"));
    CHECK(has_counted(lab, "r3", family, "INPUT", "ACCEPT"));
    CHECK(has_counted(lab, "r3", family, "INPUT", "DROP"));
}
