// SPDX-License-Identifier: BSD-2-Clause
// Rules that remember: what passes alone, from a clean state, is no NO.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;

const std::string kLimit = "-m limit --limit 10/s --limit-burst 1 ";

/// Each lets one TCP packet in 100 ms pass, and stops the others.
struct OddLimit {
    const char* name;
    Firewall firewall;
    std::vector<std::string> tables;  ///< for iptables-restore; none: nft
    std::string nft{};
};

const std::vector<OddLimit>& odd_limits() {
    static const std::vector<std::string> mark{
        "*mangle\n-A FORWARD -p tcp " + kLimit + "-j MARK --set-mark 1\nCOMMIT\n",
        "*filter\n-A FORWARD -p tcp -m mark --mark 1 -j ACCEPT\n-A FORWARD -p tcp -j DROP\n"
        "COMMIT\n"};
    static const std::vector<std::string> jump{
        "*filter\n:ALLOW - [0:0]\n-A ALLOW -j ACCEPT\n"
        "-A FORWARD -p tcp " +
        kLimit + "-j ALLOW\n-A FORWARD -p tcp -j DROP\nCOMMIT\n"};
    static const std::vector<std::string> return_of{
        "*filter\n:LIMITED - [0:0]\n-A FORWARD -p tcp -j LIMITED\n-A LIMITED " + kLimit +
        "-j RETURN\n-A LIMITED -j DROP\nCOMMIT\n"};
    static const std::vector<OddLimit> all{
        {"a mark, iptables-legacy", Firewall::iptables_legacy, mark},
        {"a mark, iptables-nft", Firewall::iptables_nft, mark},
        {"a jump, iptables-legacy", Firewall::iptables_legacy, jump},
        {"a jump, iptables-nft", Firewall::iptables_nft, jump},
        {"a return, iptables-legacy", Firewall::iptables_legacy, return_of},
        {"a return, iptables-nft", Firewall::iptables_nft, return_of},
        {"raw, iptables-legacy",
         Firewall::iptables_legacy,
         {"*raw\n-A PREROUTING -p tcp " + kLimit +
          "-j ACCEPT\n-A PREROUTING -p tcp -j DROP\nCOMMIT\n"}},
        {"a mark, nft", Firewall::iptables_nft, {}, R"(table inet t {
            chain p {
                type filter hook prerouting priority 0
                meta l4proto tcp limit rate 10/second burst 1 packets meta mark set 1
            }
            chain f {
                type filter hook forward priority 0
                meta l4proto tcp meta mark != 1 drop
            }
        })"},
        {"a jump, nft", Firewall::iptables_nft, {}, R"(table inet t {
            chain allow {
                accept
            }
            chain f {
                type filter hook forward priority 0
                meta l4proto tcp limit rate 10/second burst 1 packets jump allow
                meta l4proto tcp drop
            }
        })"},
    };
    return all;
}

void install_odd(const Lab& lab, const OddLimit& limit) {
    for (const auto& table : limit.tables) lab.rules("r2", limit.firewall, table);
    if (!limit.nft.empty()) lab.nft("r2", limit.nft);
}

bool passes_alone(const Lab& lab, int family, int port) {
    return observe(lab, two_destination(lab, family), {{"tcp", port}}) == std::vector<bool>{true};
}

void check_odd_limit(const Lab& lab, int family, const std::vector<Asked>& ways) {
    for (const auto& asked : ways) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "8001-8003", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.count("no") == 0);
    }
}

const std::vector<Asked>& in_two_ways() {
    static const auto ways = only({"clsact", "isolated"});
    return ways;
}

}  // namespace

namespace {

void check_odd(std::string_view kind) {
    for (const auto& limit : odd_limits()) {
        if (!std::string_view(limit.name).starts_with(kind)) continue;
        const int family = limit.firewall == Firewall::iptables_legacy ? 4 : 6;
        Lab lab(Pins::with_process);
        given("a packet that comes alone passes", [&] {
            build_two(lab);
            install_odd(lab, limit);
            return passes_alone(lab, family, 8001);
        });
        INFO(limit.name);
        check_odd_limit(lab, family, in_two_ways());
    }
}

}  // namespace

TEST_CASE("truth: a rate limit that sets a mark, and what passes alone is no NO") {
    check_odd("a mark");
}

TEST_CASE("truth: a rate limit that jumps, returns, or sits in raw") {
    const std::string kind = GENERATE("a jump", "a return", "raw");
    check_odd(kind);
}

TEST_CASE("truth: a set whose elements have rate limits, and what passes alone is no NO") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("a packet that comes alone passes", [&] {
        build_two(lab);
        lab.nft("r2", fmt::format(R"(table inet t {{
            set limited {{
                type ipv{0}_addr
                limit rate over 10/second burst 1 packets
                elements = {{ {1} limit rate over 10/second burst 1 packets }}
            }}
            chain f {{
                type filter hook forward priority 0
                meta l4proto tcp {2} saddr @limited drop
            }}
        }})",
                                  family, two_source(lab, family), family == 4 ? "ip" : "ip6"));
        return passes_alone(lab, family, 8001);
    });
    check_odd_limit(lab, family, in_two_ways());
}

namespace {

/// Whoever asks for 23/tcp is locked out.
void set_trap(const Lab& lab, int family, const std::string& kind) {
    if (kind == "nft") {
        lab.nft("r2", fmt::format(R"(table inet t {{
            set bad {{
                type ipv{0}_addr
                flags dynamic
            }}
            chain f {{
                type filter hook forward priority 0
                {1} saddr @bad drop
                tcp dport {{ 23, 2323 }} add @bad {{ {1} saddr }} drop
            }}
        }})",
                                  family, family == 4 ? "ip" : "ip6"));
        return;
    }
    lab.rules("r2", kind == "legacy" ? Firewall::iptables_legacy : Firewall::iptables_nft,
              "*filter\n-A FORWARD -m recent --name bad --rcheck --seconds 60 -j DROP\n"
              "-A FORWARD -p tcp -m multiport --dports 23,3389 -m recent --name bad --set -j DROP\n"
              "COMMIT\n",
              family);
}

}  // namespace

TEST_CASE("truth: a port scan trap hides nothing of what it does not remember") {
    const std::string kind = GENERATE("nft", "legacy", "iptables-nft");
    for (const int family : {4, 6}) {
        for (const auto& asked : in_two_ways()) {
            Lab lab(Pins::with_process);
            given("from a clean state 80/tcp passes", [&] {
                build_two(lab);
                set_trap(lab, family, kind);
                return passes_alone(lab, family, 80);
            });
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), "22,23,80", asked);
            INFO("IPv" << family << ", " << kind << ", " << asked.name << "\n" << result.text());
            CHECK(result.result("tcp", 23) != "YES");
            for (const int port : {22, 80}) CHECK(result.result("tcp", port) == "YES");
            // The source is on the list now, or it was not asked: both are said.
            CHECK_FALSE(result.field("warnings").empty());
        }
    }
}

TEST_CASE("truth: a gentle scan trips no port scan trap") {
    const std::string kind = GENERATE("nft", "legacy");
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("from a clean state 80/tcp passes", [&] {
        build_two(lab);
        set_trap(lab, family, kind);
        return passes_alone(lab, family, 80);
    });
    const auto result =
        scan(lab, two_source(lab, family), two_destination(lab, family), "22,23,80", {"--gentle"});
    INFO("IPv" << family << ", " << kind << "\n" << result.text());
    CHECK(result.result("tcp", 23) != "YES");
    for (const int port : {22, 80}) CHECK(result.result("tcp", port) == "YES");
    CHECK(passes_alone(lab, family, 80));
}

namespace {

void check_dscp(Firewall firewall, const std::string& rules, bool passes) {
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        given("a packet without a mark has this answer", [&] {
            build_two(lab);
            lab.rules("r2", firewall, rules);
            return observe(lab, two_destination(lab, family), {{"tcp", 22}}) ==
                   std::vector<bool>{passes};
        });
        for (const auto& asked : in_two_ways()) {
            const auto result = ask(lab, two_source(lab, family), two_destination(lab, family),
                                    "22", asked, {"--dscp", "32"});
            INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
            CHECK(result.verdict("r2", "tcp", 22) == (passes ? "YES" : "NO"));
            CHECK(result.result("tcp", 22) == (passes ? "YES" : "NO"));
        }
    }
}

}  // namespace

TEST_CASE("truth: a firewall that drops the scan's DSCP stops no user") {
    check_dscp(GENERATE(Firewall::iptables_legacy, Firewall::iptables_nft),
               "*filter\n-A FORWARD -p tcp -m dscp --dscp-class CS4 -j DROP\nCOMMIT\n", true);
}

TEST_CASE("truth: a firewall that accepts the scan's DSCP alone lets no user pass") {
    check_dscp(GENERATE(Firewall::iptables_legacy, Firewall::iptables_nft),
               "*filter\n-A FORWARD -m dscp --dscp-class CS4 -j ACCEPT\n-A FORWARD -p tcp -j DROP\n"
               "COMMIT\n",
               false);
}

TEST_CASE("truth: a firewall that drops the DSCP that the user's packets have") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("a packet with the mark stops, one without passes", [&] {
        build_two(lab);
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n");
        Capture there(lab.netns("dst"), "eth0");
        send_plain({.netns = lab.netns("src"),
                    .destination = two_destination(lab, family),
                    .protocol = "tcp",
                    .port = 23,
                    .tos = 10 << 2});
        return passes_alone(lab, family, 22) && !there.saw("tcp", 23);
    });
    for (const auto& asked : in_two_ways()) {
        const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "22",
                                asked, {"--as-dscp", "10"});
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "NO");
        CHECK(result.result("tcp", 22) == "NO");
    }
}
