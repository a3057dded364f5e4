// SPDX-License-Identifier: BSD-2-Clause
// Why a router refuses to route a probe, a loop, and drops at a device: from kernel evidence.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/explain.hpp"

namespace {

using namespace ksms::lab;

std::string route_text(const Explained& result, const std::string& node, const char* part) {
    const auto route = result.hop(node, "tcp", 22)["route"];
    return route.is_object() && route[part].is_string() ? route[part].get<std::string>() : "";
}

/// Only r2 stops it, by its routing decision.
void check_refused(const Explained& result) {
    CHECK(result.exit() == 0);
    CHECK(result.verdict("r1", "tcp", 22) == "YES");
    CHECK(result.verdict("r2", "tcp", 22) == "NO");
    CHECK(result.at_hook("r2", "tcp", 22, "PREROUTING") == "passed");
    CHECK(result.at_hook("r2", "tcp", 22, "FORWARD") == "not reached");
    CHECK(result.hop("r2", "tcp", 22)["rule_unknown"].is_null());
    CHECK(result.text().find("no table has a route") == std::string::npos);
}

TEST_CASE("explain: disabled forwarding is told apart from a missing route") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.sysctl("r2", "ipv4/conf/eth0/forwarding", "0");
    lab.sysctl("r2", "ipv6/conf/all/forwarding", "0");
    const auto four = explain(lab, 4, "22");
    INFO(four.text());
    check_refused(four);
    CHECK(route_text(four, "r2", "error") == "forwarding is off on eth0");
    CHECK(route_text(four, "r2", "detail") == "net.ipv4.conf.eth0.forwarding is 0");
    const auto six = explain(lab, 6, "22");
    INFO(six.text());
    check_refused(six);
    CHECK(route_text(six, "r2", "error") == "forwarding is off");
    CHECK(route_text(six, "r2", "detail") == "net.ipv6.conf.all.forwarding is 0");
    // Without the kernel's drop reason, the route lookup and the sysctl tell it.
    const auto silent = explain(lab, 4, "22", {}, {{"KSMS_DROPS", "off"}});
    INFO(silent.text());
    CHECK(route_text(silent, "r2", "error") == "forwarding is off on eth0");
}

TEST_CASE("explain: rp_filter drops, and the reverse route is named") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.sysctl("r2", "ipv4/conf/eth0/rp_filter", "1");
    lab.ip("r2", {"route replace " + lab.subnet(4, 1) + " via " + lab.address(4, 3, 2)});
    const auto strict = explain(lab, 4, "22");
    INFO(strict.text());
    check_refused(strict);
    CHECK(strict.hop("r2", "tcp", 22)["reason"] == "IP_RPFILTER");
    CHECK(route_text(strict, "r2", "error") == "refused by rp_filter on eth0 (1: strict)");
    CHECK(route_text(strict, "r2", "detail") ==
          "the way back to " + chain_source(lab, 4) + " is by eth1");
    lab.sysctl("r2", "ipv4/conf/eth0/rp_filter", "2");
    lab.ip("r2", {"route del " + lab.subnet(4, 1)});
    const auto loose = explain(lab, 4, "22");
    INFO(loose.text());
    check_refused(loose);
    CHECK(route_text(loose, "r2", "error") == "refused by rp_filter on eth0 (2: loose)");
    CHECK(route_text(loose, "r2", "detail") == "there is no route back to " + chain_source(lab, 4));
}

TEST_CASE("explain: a routing loop is shown once") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const std::vector<std::string> back{"route replace " + lab.subnet(family, 4) + " via " +
                                            lab.address(family, 2, 1)};
        if (family == 4)
            lab.ip("r2", back);
        else
            lab.ip6("r2", back);
        const auto result = explain(lab, family, "22");
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        int rounds = 0;
        for (const auto* node : {"r1", "r2"}) {
            const auto hop = result.hop(node, "tcp", 22);
            REQUIRE(hop.is_object());
            rounds += hop["rounds"].get<int>();
            for (const auto& hook : hop["hooks"])
                for (std::size_t i = 0; i < hook["chains"].size(); ++i)
                    for (std::size_t j = 0; j < i; ++j)
                        CHECK(hook["chains"][i] != hook["chains"][j]);
        }
        CHECK(rounds == 64);  // its TTL: every router decrements it
        auto arguments = explain_arguments(lab, family, "22");
        std::erase(arguments, "-j");
        const auto text = run(ksmsctl(lab, arguments));
        INFO(text.out);
        CHECK(text.out.find("in a loop: it came by 32 times, and its TTL ended here") !=
              std::string::npos);
        CHECK(std::count(text.out.begin(), text.out.end(), '\n') < 60);
    }
}

TEST_CASE("explain: a drop at a device is told apart from one at an IP hook") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto drop_at = [&](const std::string& hook, const std::string& device) {
        lab.nft("r2", "flush ruleset\ntable netdev fw {\n chain at_" + hook +
                          " {\n  type filter hook " + hook + " device " + device +
                          " priority 0\n  tcp dport 22 drop\n }\n}\n");
    };
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        drop_at("ingress", "eth0");
        const auto in = explain(lab, family, "22");
        INFO(in.text());
        CHECK(in.verdict("r2", "tcp", 22) == "NO");
        CHECK(in.hop("r2", "tcp", 22)["hook"] == "INGRESS");
        CHECK(in.at_hook("r2", "tcp", 22, "ingress") == "dropped");
        CHECK(in.at_hook("r2", "tcp", 22, "PREROUTING") == "not reached");
        const auto why = in.hop("r2", "tcp", 22)["rule_unknown"];
        REQUIRE(why.is_string());
        CHECK(why.get<std::string>().find("table netdev fw, chain at_ingress") !=
              std::string::npos);
        CHECK(in.service("tcp", 22)["why"].get<std::string>().ends_with(
            ": firewall, INGRESS (NETFILTER_DROP)"));

        drop_at("egress", "eth1");
        const auto out = explain(lab, family, "22");
        INFO(out.text());
        CHECK(out.verdict("r2", "tcp", 22) == "NO");
        CHECK(out.hop("r2", "tcp", 22)["hook"] == "EGRESS");
        CHECK(out.at_hook("r2", "tcp", 22, "POSTROUTING") == "passed");
        CHECK(out.at_hook("r2", "tcp", 22, "egress") == "dropped");
        const auto rule = out.hop("r2", "tcp", 22)["rule"];
        REQUIRE(rule.is_object());
        CHECK(rule["table"] == "fw");
        CHECK(rule["hook"] == "EGRESS");
        CHECK(rule["number"] == 1);
    }
}

}  // namespace
