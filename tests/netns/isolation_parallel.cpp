// SPDX-License-Identifier: BSD-2-Clause
// Eight scans at once over the same routers and the same ports, each with verdicts of its own.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

constexpr int kScans = 8;
constexpr int kFirstPort = 9000;
constexpr int kPorts = 64;

/// Bits of scan and port decide, so that no two scans expect the same: which router drops it, or 3.
int expected_passes(int number, int port) {
    return ((port - kFirstPort) >> (number % 4) ^ number * 5) % 4;
}

std::string source_of(const Lab& lab, int family, int number) {
    // Beside the link's own addresses: one each, routed back through r1.
    return lab.address(family, 20 + number / 4, 1 + number % 4);
}

void build(Lab& lab) {
    build_chain(lab, {.firewalls = false});
    std::string rules[3];
    std::string rules6[3];
    for (int number = 0; number < kScans; ++number) {
        lab.ip("src", {fmt::format("addr add {}/32 dev lo", source_of(lab, 4, number)),
                       fmt::format("addr add {}/128 dev lo nodad", source_of(lab, 6, number))});
        for (int port = kFirstPort; port < kFirstPort + kPorts; ++port) {
            const auto at = static_cast<std::size_t>(expected_passes(number, port));
            if (at == 3) continue;
            const auto drop = [&](int family) {
                const auto source = source_of(lab, family, number);
                if (at == 2)
                    return fmt::format("{} saddr {} tcp dport {} drop\n",
                                       family == 4 ? "ip" : "ip6", source, port);
                return fmt::format("-A FORWARD -s {} -p tcp --dport {} -j DROP\n", source, port);
            };
            rules[at] += drop(4);
            rules6[at] += drop(6);
        }
    }
    const auto table = [](const std::string& lines) { return "*filter\n" + lines + "COMMIT\n"; };
    lab.rules("r1", Firewall::iptables_nft, table(rules[0]), 4);
    lab.rules("r1", Firewall::iptables_nft, table(rules6[0]), 6);
    lab.rules("r2", Firewall::iptables_legacy, table(rules[1]), 4);
    lab.rules("r2", Firewall::iptables_legacy, table(rules6[1]), 6);
    lab.nft("r3", "table inet t { chain c { type filter hook forward priority 0\n" + rules[2] +
                      rules6[2] + "}\n}\n");
}

void check_result(const Scan& result, int number) {
    for (int port = kFirstPort; port < kFirstPort + kPorts; ++port) {
        const int passes = expected_passes(number, port);
        INFO("port " << port << " of scan " << number);
        const char* routers[] = {"r1", "r2", "r3"};
        for (int at = 0; at < 3; ++at)
            CHECK(result.verdict(routers[at], "tcp", port) == (at < passes    ? "YES"
                                                               : at == passes ? "NO"
                                                                              : "UNKNOWN"));
        CHECK(result.result("tcp", port) == (passes == 3 ? "YES" : "NO"));
    }
}

void check_eight(int family, const std::string& attach, const std::string& tap) {
    Lab lab;
    build(lab);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = quick_state(lab);
    const auto ports = fmt::format("{}-{}", kFirstPort, kFirstPort + kPorts - 1);
    for (int round = 0; round < 2; ++round) {
        std::vector<std::unique_ptr<Child>> children;
        for (int number = 0; number < kScans; ++number)
            children.push_back(std::make_unique<Child>(
                ksmsctl(lab,
                        scan_arguments(source_of(lab, family, number),
                                       chain_destination(lab, family), ports, {"--tap", tap}),
                        {{"KSMS_ATTACH", attach}})));
        std::set<int> dscps;
        for (int number = 0; number < kScans; ++number) {
            const Scan result(lab, children[static_cast<std::size_t>(number)]->wait());
            INFO(result.outcome().err);
            REQUIRE(result.exit() == 0);
            check_result(result, number);
            dscps.insert(result.field("dscp").get<int>());
        }
        CHECK(left_after(lab, before) == "");
    }
}

TEST_CASE("eight at once, IPv4, clsact taps: no verdict moves") {
    check_eight(4, "clsact", "tc");
}

TEST_CASE("eight at once, IPv6, clsact taps: no verdict moves") {
    check_eight(6, "clsact", "tc");
}

TEST_CASE("eight at once, IPv4, TCX taps: no verdict moves") {
    check_eight(4, "tcx", "tc");
}

TEST_CASE("eight at once, IPv6, TCX taps: no verdict moves") {
    check_eight(6, "tcx", "tc");
}

TEST_CASE("eight at once, IPv4, XDP taps: no verdict moves") {
    check_eight(4, "clsact", "xdp");
}

TEST_CASE("eight at once over taps that stand: no verdict moves") {
    Lab lab;
    build(lab);
    for (const char* router : {"r1", "r2", "r3"})
        REQUIRE(run(ksmsctl(lab, {"tap", "attach", lab.netns(router)})).exit == 0);
    std::vector<std::unique_ptr<Child>> children;
    const auto ports = fmt::format("{}-{}", kFirstPort, kFirstPort + kPorts - 1);
    for (int number = 0; number < kScans; ++number)
        children.push_back(std::make_unique<Child>(ksmsctl(
            lab, scan_arguments(source_of(lab, 4, number), chain_destination(lab, 4), ports))));
    for (int number = 0; number < kScans; ++number) {
        const Scan result(lab, children[static_cast<std::size_t>(number)]->wait());
        INFO(result.outcome().err);
        REQUIRE(result.exit() == 0);
        check_result(result, number);
    }
}

TEST_CASE("twice in a row with other rules and other NAT: the second answer is the second's") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto destination = chain_destination(lab, 4);
    const auto nat = [&](const std::string& lines) {
        lab.rules("r1", Firewall::iptables_nft, "*nat\n" + lines + "COMMIT\n", 4);
    };
    const auto filter = [&](const std::string& lines) {
        lab.rules("r2", Firewall::iptables_nft,
                  "*filter\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n" +
                      lines + "COMMIT\n",
                  4);
    };
    nat(fmt::format("-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination {}:8080\n",
                    destination));
    filter("-A FORWARD -p tcp --dport 22 -j ACCEPT\n");
    const auto first = scan(lab, chain_source(lab, 4), destination, "22,53/udp,80");
    INFO(first.text());
    REQUIRE(first.exit() == 0);
    CHECK(first.has_note("r1", "tcp", 80, "translated:"));
    CHECK(first.result("tcp", 22) == "YES");
    CHECK(first.result("udp", 53) == "YES");

    nat("");
    filter("-A FORWARD -p tcp --dport 22 -j DROP\n-A FORWARD -p udp --dport 53 -j DROP\n");
    const auto second = scan(lab, chain_source(lab, 4), destination, "22,53/udp,80");
    INFO(second.text());
    REQUIRE(second.exit() == 0);
    CHECK_FALSE(second.has_note("r1", "tcp", 80, "translated:"));
    CHECK(second.result("tcp", 22) == "NO");
    CHECK(second.result("udp", 53) == "NO");
    CHECK(second.result("tcp", 80) == "YES");
}

TEST_CASE("source NAT between two routers: the probe is known again") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.rules("r1", Firewall::iptables_legacy,
              "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n");
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), "22,53/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.count("yes") == 2);
        CHECK(result.has_note("r1", "tcp", 22, "translated-source:"));
    }
}

}  // namespace
