// SPDX-License-Identifier: BSD-2-Clause
// Rejected is told apart from dropped, by what the router really sent back.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

/// A rule of a firewall, as it is written.
struct Way {
    const char* protocol;
    int port;
    const char *iptables4, *iptables6;  ///< behind -j
    const char* nft;
    const char *answer4, *answer6;  ///< nullptr: none
};
const std::vector<Way>& ways() {
    static const std::vector<Way> all{
        {"tcp", 1, "DROP", "DROP", "drop", nullptr, nullptr},
        {"udp", 2, "DROP", "DROP", "drop", nullptr, nullptr},
        {"tcp", 3, "REJECT --reject-with tcp-reset", "REJECT --reject-with tcp-reset",
         "reject with tcp reset", "tcp-reset", "tcp-reset"},
        {"tcp", 4, "REJECT", "REJECT", "reject with icmpx type port-unreachable",
         "icmp-port-unreachable", "icmp6-port-unreachable"},
        {"udp", 5, "REJECT", "REJECT", "reject", "icmp-port-unreachable", "icmp6-port-unreachable"},
        {"udp", 6, "REJECT --reject-with icmp-admin-prohibited",
         "REJECT --reject-with icmp6-adm-prohibited", "reject with icmpx type admin-prohibited",
         "icmp-admin-prohibited", "icmp6-adm-prohibited"},
        {"tcp", 7, "REJECT --reject-with icmp-host-unreachable",
         "REJECT --reject-with icmp6-addr-unreachable", "reject with icmpx type host-unreachable",
         "icmp-host-unreachable", "icmp6-addr-unreachable"},
    };
    return all;
}

/// Every way at ports base + n in FORWARD of a router.
void reject_at(const Lab& lab, const std::string& router, int base) {
    if (router == "r3") {
        std::string rules;
        for (const auto& way : ways())
            rules += fmt::format("{} dport {} {}\n", way.protocol, base + way.port, way.nft);
        lab.nft(router, "table inet t { chain c { type filter hook forward priority 0\n" + rules +
                            "}\n}\n");
        return;
    }
    for (const int family : {4, 6}) {
        std::string table = "*filter\n";
        for (const auto& way : ways())
            table += fmt::format("-A FORWARD -p {} --dport {} -j {}\n", way.protocol,
                                 base + way.port, family == 4 ? way.iptables4 : way.iptables6);
        lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
                  table + "COMMIT\n", family);
    }
}

/// The kernel sends six ICMP errors to one address, then one a second (icmp_ratelimit).
void unlimited(const Lab& lab, const std::string& node) {
    lab.sysctl(node, "ipv4/icmp_ratelimit", "0");
    lab.sysctl(node, "ipv6/icmp/ratelimit", "0");
}

std::string all_ports() {
    std::string ports;
    for (const int base : {2000, 3000, 4000})
        for (const auto& way : ways())
            ports += fmt::format("{}/{},", base + way.port, way.protocol);
    return ports;
}

void check_way(const Scan& result, const Lab& lab, const std::string& router, int base,
               const Way& way, int family) {
    INFO(router << ": " << base + way.port << "/" << way.protocol << " " << way.nft);
    const char* answer = family == 4 ? way.answer4 : way.answer6;
    const auto row = result.at(router, way.protocol, base + way.port);
    REQUIRE(row.is_object());
    CHECK(row["result"] == "NO");
    CHECK(row["reason"] == "NETFILTER_DROP");
    const auto end = result.end(way.protocol, base + way.port);
    auto text = lab.netns(router) + ": firewall, FORWARD (NETFILTER_DROP)";
    if (answer == nullptr) {
        CHECK(row["notes"].empty());
        CHECK(row["answer"].is_null());
    } else {
        CHECK(row["notes"] == nlohmann::json{"rejected"});
        CHECK(row["answer"] == answer);
        text += fmt::format(", rejected: {}", answer);
    }
    CHECK(end["answer"] == row["answer"]);
    CHECK(end["notes"] == row["notes"]);
    CHECK(end["why"] == text);
}

void check_rejected(const std::string& attach) {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const std::vector<std::pair<std::string, int>> routers{
        {"r1", 2000}, {"r2", 3000}, {"r3", 4000}};
    for (const auto& [router, base] : routers) {
        reject_at(lab, router, base);
        unlimited(lab, router);
    }
    for (const int family : {4, 6}) {
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 all_ports(), {}, {{"KSMS_ATTACH", attach}});
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        for (const auto& [router, base] : routers)
            for (const auto& way : ways()) check_way(result, lab, router, base, way, family);
    }
}

TEST_CASE("rejected: what was sent back, at each kind of firewall, clsact taps") {
    check_rejected("clsact");
}

TEST_CASE("rejected: what was sent back, at each kind of firewall, TCX taps") {
    check_rejected("tcx");
}

TEST_CASE("rejected: a big scan, whose counters are arrays") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 1:500 -j REJECT --reject-with tcp-reset\n"
              "-A FORWARD -p tcp --dport 501:1000 -j DROP\nCOMMIT\n");
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "1-2000");
    INFO(result.outcome().err);
    REQUIRE(result.exit() == 0);
    int rejected = 0, dropped = 0;
    const auto services = result.field("services");
    for (const auto& service : services) {
        if (service["result"] != "NO") continue;
        const bool has = service["notes"] == nlohmann::json{"rejected"};
        CHECK(has == (service["port"] <= 500));
        CHECK(has == (service["answer"] == "tcp-reset"));
        ++(has ? rejected : dropped);
    }
    CHECK(rejected == 500);
    CHECK(dropped == 500);
}

TEST_CASE("rejected: an answer of the destination's, or one that did not leave, is none") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    // Nobody listens at dst: it answers everything, through three routers. What r1 answers itself
    // does not get out.
    for (const int family : {4, 6})
        lab.rules("r1", Firewall::iptables_nft,
                  fmt::format("*filter\n-A FORWARD -p tcp --dport 23 -j REJECT --reject-with "
                              "tcp-reset\n-A FORWARD -p udp --dport 23 -j REJECT\n"
                              "-A OUTPUT -p tcp --tcp-flags RST RST -j DROP\n-A OUTPUT -p {} -j "
                              "DROP\nCOMMIT\n",
                              family == 4 ? "icmp" : "ipv6-icmp --icmpv6-type port-unreachable"),
                  family);
    // What the destination answered comes back to r3 and dies there: still no answer of r3's.
    lab.nft("r3",
            "table inet t { chain c { type filter hook forward priority 0\n"
            "iifname eth1 drop\n}\n}\n");
    for (const int family : {4, 6}) {
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 "22,23,23/udp,53/udp,80");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.document().dump().find("rejected") == std::string::npos);
        for (const char* router : {"r1", "r2", "r3"})
            for (const int port : {22, 80}) {
                CHECK(result.verdict(router, "tcp", port) == "YES");
                CHECK(result.at(router, "tcp", port)["answer"].is_null());
            }
        CHECK(result.verdict("r1", "tcp", 23) == "NO");
        CHECK(result.verdict("r1", "udp", 23) == "NO");
    }
}

}  // namespace
