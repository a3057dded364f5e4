// SPDX-License-Identifier: BSD-2-Clause
// What the predecessor told its caller, or did not; the numbers are those of tests/README.md.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

TEST_CASE("failure 15: every verdict UNKNOWN is a failure: the source's link is down") {
    Lab lab;
    build_chain(lab);
    lab.ip("src", {"link set eth1 down"});
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,25");
    INFO(result.text());
    CHECK(result.exit() == 1);
    REQUIRE(result.document().is_object());
    CHECK_FALSE(result.outcome().err.empty());
}

TEST_CASE("failure 15: every verdict UNKNOWN is a failure: the source's own firewall") {
    Lab lab;
    build_chain(lab);
    lab.nft("src",
            "table inet t { chain c { type filter hook output priority 0\n"
            "policy drop\n}\n}\n");
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,25");
    INFO(result.text());
    CHECK(result.exit() == 1);
    CHECK(result.result("tcp", 22) == "UNKNOWN");
    CHECK(result.count("unknown") == 2);
    CHECK_FALSE(result.outcome().err.empty());
}

TEST_CASE("failure 15: port 99999 is refused") {
    Lab lab;
    build_chain(lab);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "99999");
    INFO(result.text());
    CHECK(result.exit() == 2);
    CHECK(result.error().find("99999") != std::string::npos);
}

TEST_CASE("failure 15: the routers are deleted halfway") {
    Lab lab;
    build_chain(lab);
    Child child(ksmsctl(lab,
                        scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8999",
                                       {"--rate", "500"}),
                        {{"KSMS_ATTACH", "clsact"}}));
    REQUIRE(eventually(
        [&] { return lab.in("r1", {"tc", "qdisc", "show"}).find("clsact") != std::string::npos; }));
    for (const char* router : {"r1", "r2", "r3"}) lab.remove(router);
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK_FALSE(result.outcome().timed_out);
    REQUIRE(result.document().is_object());
    // The scan's own hold may keep the namespaces alive: then the verdicts are real ones.
    CHECK((result.exit() == 1 || (result.exit() == 0 && result.count("unknown") < 1000)));
}

TEST_CASE("failure 16: every service asked for is tested, a limit is an error") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto fifteen = scan(lab, chain_source(lab, 4), chain_destination(lab, 4),
                              "1,2,3,4,5,6,7,8,9,10,11/udp,12/udp,13/udp,14/udp,15/udp");
    INFO(fifteen.text());
    CHECK(fifteen.exit() == 0);
    CHECK(fifteen.field("services").size() == 15);
    const auto routers_ = fifteen.field("routers");
    for (const auto& router : routers_) CHECK(router["services"].size() == 15);
    const auto range = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "1001-1150");
    CHECK(range.field("services").size() == 150);
    CHECK(range.count("yes") == 150);
    const auto limited = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "1001-1150",
                              {"--max-services", "100"});
    INFO(limited.text());
    CHECK(limited.exit() == 2);
    CHECK(limited.document().contains("error"));
    const auto narrow = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "1001-1150",
                             {"--range-limit", "100"});
    INFO(narrow.text());
    CHECK(narrow.exit() == 2);
}

TEST_CASE("failure 17: --dscp 10 is outside the range, and the message says which range") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", {"--dscp", "10"});
    INFO(result.text());
    CHECK(result.exit() == 2);
    REQUIRE(result.document().is_object());
    const auto message = result.error();
    CHECK(message.find("32") != std::string::npos);
    CHECK(message.find("63") != std::string::npos);
}

TEST_CASE("failure 17: a router's own address is a source") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n");
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, lab.address(family, 2, 1), chain_destination(lab, family), "22,25");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "tcp", 25) == "NO");
        CHECK(result.verdict("r3", "tcp", 22) == "YES");
    }
}

TEST_CASE("failure 18: a scan ends when every probe is accounted for, not with the timeout") {
    Lab lab;
    build_chain(lab);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports(),
                             {"--timeout", "600"});
    INFO(result.text());
    CHECK(result.exit() == 0);
    CHECK(result.count("unknown") == 0);
}

}  // namespace
