// SPDX-License-Identifier: BSD-2-Clause
// scan --classes: some services are probed, and the others have the answer of their class.
#include <fmt/format.h>
#include <netinet/in.h>

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/truth.hpp"
#include "rule_cases.hpp"
#include "scan/scan.hpp"

namespace {

using namespace ksms::lab;
using How = Step::How;

Step nft_rules(const char* node, const std::string& rules) {
    return {node, How::nft,
            fmt::format("table inet t {{\nset some {{\ntype inet_service\nflags interval\nelements "
                        "= {{ 50-60, 70 }}\n}}\nchain f {{\ntype filter hook forward priority "
                        "0\n{}\n}}\n}}\n",
                        rules)};
}

/// Of the ports 1 to 300.
const std::vector<RuleCase>& told_apart() {
    static const std::vector<RuleCase> cases{
        {"one port, and a range", {nft_rules("r1", "tcp dport 40 drop\ntcp dport 50-60 reject")}},
        {"all but some", {nft_rules("r2", "tcp dport != { 40, 50-60, 100-110 } drop")}, 0, 0, true},
        {"a set by name", {nft_rules("r1", "tcp dport @some drop")}},
        {"a map of verdicts", {nft_rules("r1", "tcp dport vmap { 40 : drop, 50-60 : drop }")}},
        {"an address and a port",
         {nft_rules("r1",
                    "ip daddr . tcp dport { 0.0.0.0/0 . 40 } drop\n"
                    "ip6 daddr . tcp dport { ::/0 . 40 } drop")}},
        {"a mark by port, and a rule for the mark",
         {nft_rules("r1", "tcp dport 40-44 meta mark set 7\nmeta mark 7 drop")}},
        {"iptables-legacy, several ports",
         {{"r1", How::legacy,
           "*filter\n-A FORWARD -p tcp -m multiport --dports 40,50:60 -j DROP\nCOMMIT\n"}}},
        {"iptables-nft, in a chain",
         {{"r2", How::iptables_nft,
           "*filter\n:c -\n-A FORWARD -p tcp -j c\n-A c -p tcp --dport 40:44 -j "
           "REJECT\nCOMMIT\n"}}},
        {"a route by port",
         {{"r2", How::ip, "rule add ipproto tcp dport 40-44 table 77"},
          {"r2", How::ip, "route add blackhole NET table 77"}}},
    };
    return cases;
}

TEST_CASE("classes: every service has the answer of a plain packet") {
    constexpr int kPasses = 200, kStops = 1;
    for (const auto& each : told_apart()) {
        int family = 4;
        for (const auto& asked : only({"clsact", "isolated"})) {
            Lab lab(Pins::with_process);
            build_case(lab, each, family, each.fails ? kStops : kPasses);
            std::vector<PlainService> services;
            for (const int port :
                 {1, 39, 40, 41, 44, 45, 49, 50, 55, 60, 61, 70, 99, 100, 110, 111, 200, 300})
                services.push_back({"tcp", port});
            const auto truth = observe(lab, two_destination(lab, family), services);
            const auto result = ask(lab, two_source(lab, family), two_destination(lab, family),
                                    "T:1-300", asked, {"--classes"});
            INFO(each.name << ", IPv" << family << ", " << asked.name << "\n" << result.text());
            CHECK(result.field("warnings").empty());
            CHECK(result.field("summary")["probed"] < 60);
            CHECK(result.count("probed") + result.count("by_class") == 300);
            CHECK(result.count("yes") + result.count("no") == 300);
            for (std::size_t i = 0; i < services.size(); ++i) {
                INFO(services[i].port);
                CHECK(result.result("tcp", services[i].port) == (truth[i] ? "YES" : "NO"));
            }
            std::ptrdiff_t by_class = 0;
            for (const auto& row : result.field("services"))
                by_class += row["proof"] == "class" ? 1 : 0;
            CHECK(by_class == result.count("by_class"));
            family = 6;
        }
    }
}

/// What hashes ports makes each its own class.
TEST_CASE("classes: where a rule cannot be read every service is probed") {
    Lab lab(Pins::with_process);
    const RuleCase hash{"a hash of the packet's ports, which all pass",
                        {nft_rules("r2", "symhash mod 2 { 0, 1 } accept")}};
    build_case(lab, hash, 4, 200);
    const auto result = ask(lab, two_source(lab, 4), two_destination(lab, 4), "T:1-300",
                            by_clsact(), {"--classes"});
    INFO(result.text());
    CHECK(result.count("by_class") == 0);
    CHECK(result.count("yes") == 300);
    const auto warnings = result.field("warnings");
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].get<std::string>().find("--classes: each service is probed: ") == 0);
    CHECK(warnings[0].get<std::string>().find("r2: inet t f handle ") != std::string::npos);
}

/// In the lab of two, which is open.
ksms::ScanRequest hundred_ports(Lab& lab) {
    build_two(lab);
    REQUIRE(opens(lab, 4));
    ksms::ScanRequest request;
    request.source = *ksms::Address::parse(two_source(lab, 4));
    request.destination = *ksms::Address::parse(two_destination(lab, 4));
    request.classes = true;
    for (std::uint16_t port = 1; port <= 100; ++port) request.services.push_back({6, port});
    return request;
}

/// The rule comes when the classes are made already.
TEST_CASE("classes: a class whose members differ is probed whole") {
    Lab lab(Pins::with_process);
    const auto request = hundred_ports(lab);
    ksms::ScanHooks hooks;
    std::vector<std::size_t> sent;
    hooks.armed = [&](const ksms::ArmedScan& scan) -> ksms::Status {
        sent.push_back(scan.plan.path_of.size());
        if (sent.size() == 1) lab.nft("r2", nft_rules("r2", "tcp dport { 1, 42 } drop").text);
        return {};
    };
    const auto report = ksms::run_scan(ksms::PinRoot{lab.pin_root()}, request, hooks);
    REQUIRE(report);
    CHECK(sent == std::vector<std::size_t>{9, 100});
    CHECK(report->probed == 100);
    CHECK(report->state == ksms::ScanState::done);
    for (const auto& service : report->services) {
        INFO(service.service.port);
        const bool stopped = service.service.port == 1 || service.service.port == 42;
        CHECK(service.result == (stopped ? ksms::Verdict::no : ksms::Verdict::yes));
        CHECK_FALSE(service.by_class);
    }
}

/// The second round, which would probe all of the class, does not come to its end.
TEST_CASE("classes: of a class whose members differ nothing is said if no time is left") {
    Lab lab(Pins::with_process);
    const auto request = hundred_ports(lab);
    ksms::ScanHooks hooks;
    std::atomic<int> stop{0};
    int rounds = 0;
    const bool fails = GENERATE(false, true);
    hooks.stop = &stop;
    hooks.armed = [&](const ksms::ArmedScan&) -> ksms::Status {
        if (++rounds == 1) {
            lab.nft("r2", nft_rules("r2", "tcp dport { 1, 42 } drop").text);
            return {};
        }
        if (fails) return ksms::fail(ksms::Code::failed, "not now");
        stop = SIGINT;
        return {};
    };
    const auto report = run_scan(ksms::PinRoot{lab.pin_root()}, request, hooks);
    REQUIRE(report);
    CHECK(rounds == 2);
    CHECK(report->state == (fails ? ksms::ScanState::partial : ksms::ScanState::interrupted));
    REQUIRE(report->services.size() == 100);
    CHECK(report->probed == 9);
    for (std::size_t i = 0; i < 100; ++i) {
        const auto& service = report->services[i];
        INFO(service.service.port);
        CHECK(service.service == request.services[i]);
        if (service.by_class) CHECK(service.result == ksms::Verdict::unknown);
    }
    CHECK(report->services[0].result == ksms::Verdict::no);
    CHECK(report->services[99].result == ksms::Verdict::yes);
}

/// Things beside the rules of a firewall.
TEST_CASE("classes: what else may tell ports apart") {
    struct Other {
        const char* what;
        Step step;
    };
    const std::vector<Other> others{
        {"a route with several next hops",
         {"r1", How::command,
          "ip route add 192.0.2.0/24 table 99 nexthop dev eth0 nexthop dev eth1"}},
        {"a route with several next hops",
         {"r1", How::command,
          "echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode; ip nexthop add id 1 dev eth1; ip "
          "nexthop "
          "add id 2 dev eth0; ip nexthop add id 10 group 1/2; ip route add 192.0.2.0/24 nhid 10"}},
        {"an IPsec policy",
         {"r2", How::command,
          "ip xfrm policy add src 192.0.2.0/24 dst 192.0.2.9/32 dir fwd action block"}},
        {"a filter or a program",
         {"r2", How::command,
          "tc qdisc add dev eth1 root handle 1: htb default 10; tc class add dev eth1 parent 1: "
          "classid 1:10 htb rate 1gbit; tc filter add dev eth1 parent 1:10 protocol ip prio 1 u32 "
          "match ip dport 150 0xffff classid 1:10"}},
    };
    for (const auto& [what, step] : others) {
        Lab lab(Pins::with_process);
        build_two(lab);
        REQUIRE(opens(lab, 4));
        take_step(lab, 4, step);
        const auto result = ask(lab, two_source(lab, 4), two_destination(lab, 4), "T:1-100",
                                by_clsact(), {"--classes"});
        INFO(step.text << "\n" << result.text());
        CHECK(result.count("by_class") == 0);
        CHECK(result.field("warnings").dump().find(what) != std::string::npos);
    }
}

TEST_CASE("classes: the text says how many were not probed") {
    Lab lab(Pins::with_process);
    build_two(lab);
    REQUIRE(opens(lab, 4));
    const auto run =
        ksms::lab::run(ksmsctl(lab, {"scan", "-s", two_source(lab, 4), "-d",
                                     two_destination(lab, 4), "-P", "T:1-100", "--classes"}));
    INFO(run.out);
    CHECK(run.exit == 0);
    CHECK(run.out.find("100 pass; 91 of 100 not probed: no rule tells them from one that "
                       "was") != std::string::npos);
}

}  // namespace
