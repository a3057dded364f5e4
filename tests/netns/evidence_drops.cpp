// SPDX-License-Identifier: BSD-2-Clause
// Why a probe was dropped: the kernel's reason, its function, the hook, and the words for people.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;

std::string why(const Scan& result, const char* protocol, int port) {
    const auto text = result.end(protocol, port)["why"];
    return text.is_string() ? text.get<std::string>() : std::string();
}

/// In the chain of tests/support/lab/chain.cpp.
struct Stop {
    const char* protocol;
    int port;
    const char* router;
    const char* hook;
};
const std::vector<Stop>& stops() {
    static const std::vector<Stop> all{
        {"tcp", 135, "r1", "PREROUTING"},  {"udp", 161, "r1", "FORWARD"},
        {"tcp", 445, "r1", "POSTROUTING"}, {"tcp", 110, "r2", "PREROUTING"},
        {"tcp", 25, "r2", "FORWARD"},      {"tcp", 3389, "r2", "POSTROUTING"},
        {"tcp", 143, "r3", "PREROUTING"},  {"tcp", 8080, "r3", "FORWARD"},
        {"tcp", 993, "r3", "POSTROUTING"},
    };
    return all;
}

TEST_CASE("a firewall's drop: hook, reason and place at each kind of firewall") {
    // nf_tables drops by itself in newer kernels, Debian's later builds of 6.1 among them.
    const std::string hook_of_old = !is_linux(6, 7) ? "nf_hook_slow" : "";
    Lab lab(Pins::with_process);
    build_chain(lab);
    std::string ports;
    for (const auto& stop : stops()) ports += fmt::format("{}/{},", stop.port, stop.protocol);
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), ports);
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        for (const auto& stop : stops()) {
            INFO(stop.port << " at " << stop.router);
            const auto row = result.at(stop.router, stop.protocol, stop.port);
            REQUIRE(row.is_object());
            CHECK(row["result"] == "NO");
            CHECK(row["reason"] == "NETFILTER_DROP");
            CHECK(row["hook"] == stop.hook);
            // iptables-legacy is a hook itself, the other two are rules that nf_tables runs.
            const bool by_hook = std::string(stop.router) == "r2" || row["place"] == hook_of_old;
            CHECK(row["place"] == (by_hook ? "nf_hook_slow" : "nft_do_chain"));
            CHECK(why(result, stop.protocol, stop.port) ==
                  fmt::format("{}: firewall, {} (NETFILTER_DROP)", lab.netns(stop.router),
                              stop.hook));
        }
    }
}

TEST_CASE("without drop reasons the verdicts are the same, and the scan says that they are off") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports(),
                             {"--retries", "0"}, {{"KSMS_DROPS", "off"}});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.field("state") == "done");
    CHECK(result.count("unknown") == 0);
    CHECK(result.outcome().err.find("drop reasons are off") != std::string::npos);
    CHECK(result.field("warnings").dump().find("drop reasons are off") != std::string::npos);
    for (const auto& service : chain_services()) {
        INFO(service.port << "/" << service.protocol << ": " << service.how);
        const auto end = result.end(service.protocol, service.port);
        CHECK(end["result"] == (service.passes == 3 ? "YES" : "NO"));
        if (service.passes == 3) continue;
        CHECK(end["reason"].is_null());
        CHECK(end["place"].is_null());
        CHECK(end["stopped_at"] == lab.netns(fmt::format("r{}", service.passes + 1)));
    }
}

/// The destination's route at r2 is of this kind.
void check_refused(Lab& lab, int family, const std::string& kind, const char* reason,
                   const std::string& text) {
    const auto result =
        scan(lab, chain_source(lab, family), chain_destination(lab, family), "22,53/udp");
    INFO("IPv" << family << ", " << kind << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    const auto row = result.at("r2", "tcp", 22);
    REQUIRE(row.is_object());
    CHECK(row["result"] == "NO");
    if (reason == nullptr)
        CHECK(row["reason"].is_null());
    else
        CHECK(row["reason"] == reason);
    CHECK(row["place"].is_string());
    CHECK(row["hook"].is_null());
    CHECK(why(result, "tcp", 22) == lab.netns("r2") + ": " + text);
    CHECK(why(result, "udp", 53) == why(result, "tcp", 22));
    CHECK(row["notes"].empty());
    CHECK(result.verdict("r1", "tcp", 22) == "YES");
}

TEST_CASE("a route that refuses is told by its kind and prefix") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    struct Kind {
        const char* name;
        const char* reason6;  // IPv4 gives none for any of them
    };
    for (const auto& [name, reason6] :
         {Kind{"blackhole", nullptr}, Kind{"prohibit", "IP_INNOROUTES"},
          Kind{"unreachable", "IP_INNOROUTES"}}) {
        const auto target4 = chain_destination(lab, 4) + "/32";
        const auto target6 = chain_destination(lab, 6) + "/128";
        lab.ip("r2", {fmt::format("route add {} {}", name, target4),
                      fmt::format("route add {} 100.0.0.0/8", name)});  // a shorter one
        lab.ip6("r2", {fmt::format("route add {} {}", name, target6),
                       fmt::format("route add {} fd00::/8", name)});  // a shorter one
        check_refused(lab, 4, name, nullptr, fmt::format("route is {} ({})", name, target4));
        check_refused(lab, 6, name, reason6,
                      fmt::format("route is {} ({}){}", name, target6,
                                  reason6 == nullptr ? "" : fmt::format(" ({})", reason6)));
        lab.ip("r2", {fmt::format("route del {} {}", name, target4),
                      fmt::format("route del {} 100.0.0.0/8", name)});
        lab.ip6("r2", {fmt::format("route del {} {}", name, target6),
                       fmt::format("route del {} fd00::/8", name)});
    }
}

TEST_CASE("a rule that refuses, and a table of its own") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto target = chain_destination(lab, 4);
    lab.ip("r2", {"rule add pref 40 to " + target + " prohibit"});
    check_refused(lab, 4, "rule", nullptr, "route is prohibit (by a rule)");
    lab.ip("r2", {"rule del pref 40", "route add blackhole " + lab.subnet(4, 4) + " table 100",
                  "rule add pref 40 iif eth0 lookup 100"});
    // The network's address, as `ip route` shows it.
    const auto shown = lab.in("r2", {"ip", "route", "show", "table", "100"});
    const auto prefix = shown.substr(shown.find(' ') + 1, shown.find('/') + 2 - shown.find(' '));
    check_refused(
        lab, 4, "table", nullptr,
        "route is blackhole (" + prefix.substr(0, prefix.find_last_not_of(' ') + 1) + ")");
}

TEST_CASE("no route, reverse path and a loop have words of their own") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto once = [&](int family, const char* reason, const std::string& text) {
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), "22");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.result("tcp", 22) == "NO");
        CHECK(result.end("tcp", 22)["reason"] == reason);
        CHECK(why(result, "tcp", 22).find(text) != std::string::npos);
        CHECK(result.end("tcp", 22)["notes"].empty());
    };
    lab.sysctl("r2", "ipv4/conf/eth0/rp_filter", "1");
    lab.ip("r2", {"route del " + lab.subnet(4, 1), "route add " + lab.subnet(4, 1) + " dev eth1"});
    once(4, "IP_RPFILTER", lab.netns("r2") + ": reverse path (IP_RPFILTER)");
    lab.sysctl("r2", "ipv4/conf/eth0/rp_filter", "0");
    lab.ip("r2", {"route del " + lab.subnet(4, 4)});
    lab.ip6("r2", {"route del " + lab.subnet(6, 4)});
    once(4, "IP_INNOROUTES", lab.netns("r2") + ": no route (IP_INNOROUTES)");
    once(6, "IP_INNOROUTES", lab.netns("r2") + ": no route (IP_INNOROUTES)");
    lab.route("r2", 4, 2, 1);
    once(4, "IP_INHDR", "a routing loop, TTL (IP_INHDR)");
    once(6, "IP_INHDR", "a routing loop, TTL (IP_INHDR)");
}

TEST_CASE("a scan with nothing but definite answers ends at once") {
    const bool destination = GENERATE(true, false);
    Lab lab(Pins::with_process);
    build_chain(lab, {.destination = destination});
    for (const int family : {4, 6}) {
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 chain_ports(), {"--timeout", "600", "--retries", "0"});
        INFO("IPv" << family << ", a destination: " << destination << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.count("unknown") == 0);
    }
}

}  // namespace
