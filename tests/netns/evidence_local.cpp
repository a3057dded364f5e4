// SPDX-License-Identifier: BSD-2-Clause
// The end of the way: a router that is the destination, and a host on this machine.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

constexpr const char* kPorts = "22,80,25,26,161/udp,162/udp,53/udp,54/udp";

/// INPUT: 25/tcp and 53/udp dropped, 26/tcp and 54/udp rejected; the rest is accepted, and somebody
/// listens at 22/tcp and 161/udp.
void guard_input(const Lab& lab, const std::string& node, int kind) {
    lab.sysctl(node, "ipv4/icmp_ratelimit", "0");
    lab.sysctl(node, "ipv6/icmp/ratelimit", "0");
    if (kind == 2) {
        lab.nft(node,
                "table inet t { chain c { type filter hook input priority 0\n"
                "tcp dport 25 drop\ntcp dport 26 reject with tcp reset\n"
                "udp dport 53 drop\nudp dport 54 reject\n}\n}\n");
        return;
    }
    lab.rules(node, kind == 0 ? Firewall::iptables_nft : Firewall::iptables_legacy,
              "*filter\n-A INPUT -p tcp --dport 25 -j DROP\n"
              "-A INPUT -p tcp --dport 26 -j REJECT --reject-with tcp-reset\n"
              "-A INPUT -p udp --dport 53 -j DROP\n-A INPUT -p udp --dport 54 -j REJECT\nCOMMIT\n");
}

/// What is said of the destination.
nlohmann::json reached(const Scan& result, const std::string& protocol, int port) {
    const auto all = result.field("destination_reached");
    for (const auto& row : all)
        if (row["protocol"] == protocol && row["port"] == port) return row;
    return nullptr;
}

struct Expected {
    const char* protocol;
    int port;
    bool reached;
    const char* text4;
    const char* text6;
};
const std::vector<Expected>& expected() {
    constexpr const char *taken = "accepted, a socket took it",
                         *unheard = "accepted, nobody listens",
                         *dropped = "firewall, INPUT (NETFILTER_DROP)",
                         *reset = "firewall, INPUT (NETFILTER_DROP), rejected: tcp-reset";
    static const std::vector<Expected> all{
        {"tcp", 22, true, taken, taken},
        {"tcp", 80, true, unheard, unheard},
        {"udp", 161, true, taken, taken},
        {"udp", 162, true, unheard, unheard},
        {"tcp", 25, false, dropped, dropped},
        {"udp", 53, false, dropped, dropped},
        {"tcp", 26, false, reset, reset},
        {"udp", 54, false, "firewall, INPUT (NETFILTER_DROP), rejected: icmp-port-unreachable",
         "firewall, INPUT (NETFILTER_DROP), rejected: icmp6-port-unreachable"},
    };
    return all;
}

TEST_CASE(
    "failure 2: at the router that is the destination, taken, unheard and refused are told apart") {
    const int kind = GENERATE(0, 1, 2);
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    guard_input(lab, "r2", kind);
    for (const int family : {4, 6}) {
        const auto target = lab.address(family, 2, 2);
        const auto tcp = listen_in(lab.netns("r2"), target, "tcp", 22);
        const auto udp = listen_in(lab.netns("r2"), target, "udp", 161);
        const auto result = scan(lab, chain_source(lab, family), target, kPorts);
        INFO("IPv" << family << ", firewall " << kind << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        for (const auto& one : expected()) {
            INFO(one.port << "/" << one.protocol);
            const auto row = result.at("r2", one.protocol, one.port);
            REQUIRE(row.is_object());
            const std::string text = family == 4 ? one.text4 : one.text6;
            CHECK(row["result"] == (one.reached ? "YES" : "NO"));
            CHECK(result.end(one.protocol, one.port)["why"] == lab.netns("r2") + ": " + text);
            CHECK(result.has_note("r2", one.protocol, one.port, "local"));
            CHECK(result.has_note("r2", one.protocol, one.port, "no-listener") ==
                  (text.find("nobody") != std::string::npos));
            CHECK(result.has_note("r2", one.protocol, one.port, "rejected") ==
                  (text.find("rejected") != std::string::npos));
            const auto there = reached(result, one.protocol, one.port);
            CHECK(there["reached"] == one.reached);
            CHECK(there["why"].get<std::string>().ends_with(text));
            CHECK(result.verdict("r1", one.protocol, one.port) == "YES");
        }
    }
}

TEST_CASE("a host on this machine: its own firewall is told from the routers'") {
    const int kind = GENERATE(0, 1, 2);
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    guard_input(lab, "dst", kind);
    for (const int family : {4, 6}) {
        const auto target = chain_destination(lab, family);
        const auto tcp = listen_in(lab.netns("dst"), target, "tcp", 22);
        const auto udp = listen_in(lab.netns("dst"), target, "udp", 161);
        const auto result = scan(lab, chain_source(lab, family), target, kPorts);
        INFO("IPv" << family << ", firewall " << kind << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.count("yes") == 8);
        for (const auto& one : expected()) {
            INFO(one.port << "/" << one.protocol);
            const std::string text = family == 4 ? one.text4 : one.text6;
            const auto there = reached(result, one.protocol, one.port);
            CHECK(there["reached"] == one.reached);
            const auto end = result.end(one.protocol, one.port);
            CHECK(end["notes"].empty());
            if (one.reached) {
                CHECK(there["why"] == text);
                CHECK(end["why"].is_null());
            } else {
                CHECK(there["why"] == lab.netns("dst") + " itself dropped it: " + text);
                CHECK(end["why"] == there["why"]);
            }
        }
    }
}

TEST_CASE("without drop reasons a TCP socket that answers is known to have taken the probe") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    guard_input(lab, "r2", 0);
    const auto target = lab.address(4, 2, 2);
    const auto listening = listen_in(lab.netns("r2"), target, "tcp", 22);
    const auto result = scan(lab, chain_source(lab, 4), target, "22,25,26,80", {"--retries", "0"},
                             {{"KSMS_DROPS", "off"}});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.verdict("r2", "tcp", 22) == "YES");
    // A RST is a firewall's or nobody's; silence is anything.
    for (const int port : {25, 26, 80}) CHECK(result.verdict("r2", "tcp", port) == "UNKNOWN");
}

}  // namespace
