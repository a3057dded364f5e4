// SPDX-License-Identifier: BSD-2-Clause
// The route that each router chose, and the routing rule that selected its table.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/address.hpp"
#include "lab/chain.hpp"
#include "lab/explain.hpp"

namespace {

using namespace ksms::lab;

/// A prefix as ip(8) writes it.
std::string written(const std::string& prefix) {
    const auto slash = prefix.find('/');
    const auto address = ksms::Address::parse(prefix.substr(0, slash));
    REQUIRE(address);
    return address->text() + prefix.substr(slash);
}

TEST_CASE("explain: routes of the main table, at the source and at each router") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const auto result = explain(lab, family, "22");
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        const auto source = result.hop("src", "tcp", 22)["route"];
        CHECK(source["prefix"] == "default");
        CHECK(source["next_hop"] == lab.address(family, 1, 2));
        CHECK(source["device"] == "eth1");
        const auto second = result.hop("r2", "tcp", 22)["route"];
        CHECK(second["prefix"] == written(lab.subnet(family, 4)));
        CHECK(second["next_hop"] == lab.address(family, 3, 2));
        CHECK(second["device"] == "eth1");
        CHECK(second["table"] == "main");
        CHECK(second["rule"]["priority"] == 32766);
        CHECK(second["rule"]["selector"] == "from all");
        CHECK(second["taken"] == true);
        const auto last = result.hop("r3", "tcp", 22)["route"];
        CHECK(last["next_hop"].is_null());
        CHECK(last["device"] == "eth1");
    }
}

TEST_CASE("explain: the policy routing rule that was chosen") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto to = [&](int family) { return lab.address(family, 4, 2); };
    const auto via = [&](int family) { return lab.address(family, 3, 2); };
    lab.ip("r2", {"rule add pref 90 ipproto tcp dport 443 table 76",
                  "rule add pref 100 iif eth0 ipproto tcp dport 80 table 77",
                  "route add " + to(4) + "/32 via " + via(4) + " metric 5 table 77"});
    lab.ip6("r2", {"rule add pref 100 iif eth0 ipproto tcp dport 80 table 77",
                   "route add " + to(6) + "/128 via " + via(6) + " metric 5 table 77"});
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const auto result = explain(lab, family, "80,443,80/udp");
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        const auto route = result.hop("r2", "tcp", 80)["route"];
        CHECK(route["rule"]["priority"] == 100);
        CHECK(route["rule"]["selector"] == "from all iif eth0 ipproto tcp dport 80");
        CHECK(route["table"] == "77");
        CHECK(route["prefix"] == to(family) + (family == 4 ? "/32" : "/128"));
        CHECK(route["metric"] == 5);
        CHECK(route["next_hop"] == via(family));
        // A rule whose table is empty does not decide.
        for (const auto* protocol : {"tcp", "udp"}) {
            const auto other =
                result.hop("r2", protocol, std::string(protocol) == "tcp" ? 443 : 80)["route"];
            CHECK(other["rule"]["priority"] == 32766);
            CHECK(other["table"] == "main");
        }
    }
}

TEST_CASE("explain: no route, and unreachable or prohibit routes") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.ip("r2",
           {"route del " + lab.subnet(4, 4), "rule add pref 100 ipproto tcp dport 80 table 77",
            "route add prohibit " + lab.subnet(4, 4) + " table 77",
            "rule add pref 110 ipproto tcp dport 81 blackhole"});
    const auto result = explain(lab, 4, "22,80,81");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    for (const int port : {22, 80, 81}) {
        INFO("port " << port);
        CHECK(result.verdict("r1", "tcp", port) == "YES");
        CHECK(result.verdict("r2", "tcp", port) == "NO");
        CHECK(result.hop("r2", "tcp", port)["rule"].is_null());
        CHECK(result.hop("r2", "tcp", port)["rule_unknown"].is_null());
        CHECK(result.at_hook("r2", "tcp", port, "PREROUTING") == "passed");
        CHECK(result.at_hook("r2", "tcp", port, "FORWARD") == "not reached");
    }
    const auto none = result.hop("r2", "tcp", 22);
    CHECK(none["reason"] == "IP_INNOROUTES");
    CHECK(none["route"]["error"].is_string());
    CHECK(none["route"]["rule"].is_null());
    CHECK(none["route"]["detail"].get<std::string>().find("main") != std::string::npos);
    const auto prohibited = result.hop("r2", "tcp", 80)["route"];
    CHECK(prohibited["type"] == "prohibit");
    CHECK(prohibited["rule"]["priority"] == 100);
    CHECK(prohibited["prefix"] == lab.subnet(4, 4));
    const auto by_rule = result.hop("r2", "tcp", 81)["route"];
    CHECK(by_rule["type"] == "blackhole");
    CHECK(by_rule["rule"]["priority"] == 110);
}

TEST_CASE("explain: a firewall mark selects another route") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    // A second link between r2 and r3, for marked packets.
    lab.link({"r2", "eth2", 1}, {"r3", "eth2", 2}, 5);
    lab.rules("r2", Firewall::iptables_nft,
              "*mangle\n-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 7\nCOMMIT\n");
    lab.ip("r2", {"rule add pref 100 fwmark 7 table 77",
                  "route add default via " + lab.address(4, 5, 2) + " table 77"});
    const auto result = explain(lab, 4, "22,80");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    const auto marked = result.hop("r2", "tcp", 80)["route"];
    CHECK(marked["mark"] == 7);
    CHECK(marked["rule"]["priority"] == 100);
    CHECK(marked["device"] == "eth2");
    const auto other = result.hop("r2", "tcp", 22)["route"];
    CHECK(other["mark"] == 0);
    CHECK(other["device"] == "eth1");
    CHECK(other["rule"]["priority"] == 32766);
}

}  // namespace
