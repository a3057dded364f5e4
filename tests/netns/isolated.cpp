// SPDX-License-Identifier: BSD-2-Clause
// --mode isolated: every router answers for itself, also where one before it drops.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"
#include "lab/truth.hpp"
#include "lab/wait.hpp"

namespace {

using namespace ksms::lab;

std::vector<std::string> isolated(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--mode", "isolated"});
    return more;
}

bool ksmsctl_ok(const Lab& lab) {
    return run(ksmsctl(lab, {"registry", "list"})).exit == 0;
}

/// Router by router what passes when it is the only one with a firewall, by plain packets.
std::vector<std::vector<bool>> observe_alone(int family) {
    std::vector<std::vector<bool>> passes;
    for (const auto& alone : kRouters) {
        Lab lab(Pins::with_process);
        build_chain(lab);
        if (alone != "r1") {
            for (const char* table : {"*raw\nCOMMIT\n", "*mangle\nCOMMIT\n",
                                      "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"})
                lab.rules("r1", Firewall::iptables_nft, table);
        }
        if (alone != "r2")
            for (const char* table : {"*raw\nCOMMIT\n", "*mangle\nCOMMIT\n", "*filter\nCOMMIT\n"})
                lab.rules("r2", Firewall::iptables_legacy, table);
        if (alone != "r3") lab.nft("r3", "flush ruleset\n");
        std::vector<bool> through;
        for (const int routers : observe_chain(lab, family, chain_services()))
            through.push_back(routers == 3);
        passes.push_back(std::move(through));
    }
    return passes;
}

}  // namespace

TEST_CASE("isolated: each router's verdict is what plain packets meet when it alone has rules") {
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const auto truth = observe_alone(family);
        Lab lab(Pins::with_process);
        build_chain(lab);
        REQUIRE(ksmsctl_ok(lab));  // what is installed once stays
        const auto before = quick_state(lab);
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 chain_ports(), isolated());
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.field("mode") == "isolated");
        const auto& services = chain_services();
        for (std::size_t at = 0; at < kRouters.size(); ++at) {
            for (std::size_t i = 0; i < services.size(); ++i) {
                const auto& [protocol, port, passes, how] = services[i];
                INFO(kRouters[at] << ": " << port << "/" << protocol << " (" << how << ")");
                CHECK(result.verdict(kRouters[at], protocol, port) ==
                      (truth[at][i] ? "YES" : "NO"));
            }
        }
        // End to end: the first router that says NO.
        for (std::size_t i = 0; i < services.size(); ++i) {
            const auto end = result.end(services[i].protocol, services[i].port);
            const bool all = truth[0][i] && truth[1][i] && truth[2][i];
            INFO(services[i].port << "/" << services[i].protocol);
            CHECK(end["result"] == (all ? "YES" : "NO"));
        }
        CHECK(left_after(lab, before) == "");
    }
}

TEST_CASE("isolated: without a source host, at a router that is named or by an interface") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    // Nobody owns this source; r2 would send answers to it by eth0 (its way to r1's networks).
    const auto source = lab.address(4, 1, 5);
    const auto destination = chain_destination(lab, 4);
    const auto nowhere = scan(lab, source, destination, "22,25", isolated());
    CHECK(nowhere.exit() == 5);
    CHECK(nowhere.error().find("no namespace owns the source") != std::string::npos);
    const auto named =
        scan(lab, source, destination, "22,25", isolated({"--router", lab.netns("r2")}));
    INFO(named.text());
    REQUIRE(named.exit() == 0);
    CHECK(named.verdict("r2", "tcp", 22) == "YES");
    CHECK(named.verdict("r2", "tcp", 25) == "NO");
    CHECK(named.at("r2", "tcp", 25)["reason"] == "NETFILTER_DROP");
    CHECK(named.field("routers").size() == 1);
    CHECK(named.field("routers")[0]["ingress_iface"] == "eth0");
    // From the other side: the destination is behind the interface that it comes in by.
    const auto inject =
        scan(lab, source, destination, "22,25", isolated({"--inject", lab.netns("r2") + ":eth1"}));
    INFO(inject.text());
    CHECK(inject.field("routers")[0]["ingress_iface"] == "eth1");
    CHECK(inject.verdict("r2", "tcp", 25) == "NO");
}

TEST_CASE("isolated: conntrack, rp_filter and the rules' own counters see a real packet") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.nft("r2", R"(table ip t {
        chain f {
            type filter hook forward priority 0
            ct state new tcp dport 22 counter accept
            tcp flags & (syn | ack | rst) == syn ct state != new counter drop
            tcp dport 23 counter drop
        }
    })");
    const auto source = chain_source(lab, 4), destination = chain_destination(lab, 4);
    const auto result = scan(lab, source, destination, "22,23", isolated());
    INFO(result.text());
    CHECK(result.verdict("r2", "tcp", 22) == "YES");
    CHECK(result.verdict("r2", "tcp", 23) == "NO");
    const auto rules = lab.in("r2", {"nft", "list", "table", "ip", "t"});
    INFO(rules);
    CHECK(rules.find("tcp dport 22 counter packets 0") == std::string::npos);
    CHECK(rules.find("tcp dport 23 counter packets 0") == std::string::npos);
    CHECK(rules.find("!= new counter packets 0") != std::string::npos);
    // By an interface that does not lead back to the source.
    lab.sysctl("r2", "ipv4/conf/all/rp_filter", "1");
    lab.sysctl("r2", "ipv4/conf/eth1/rp_filter", "1");
    const auto strict =
        scan(lab, source, destination, "22", isolated({"--inject", lab.netns("r2") + ":eth1"}));
    INFO(strict.text());
    CHECK(strict.verdict("r2", "tcp", 22) == "NO");
    CHECK(strict.at("r2", "tcp", 22)["reason"] == "IP_RPFILTER");
}

TEST_CASE("isolated: an interface that is down is no place to come in by") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.ip("r2", {"link set eth0 down", "route add " + lab.subnet(4, 1) + " dev eth1"});
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22",
                             isolated({"--inject", lab.netns("r2") + ":eth0"}));
    INFO(result.text());
    CHECK(result.exit() == 1);
    CHECK(result.result("tcp", 22) == "UNKNOWN");
    CHECK(result.end("tcp", 22)["reason"].get<std::string>().find("eth0 is down") !=
          std::string::npos);
}

TEST_CASE("isolated: a router that is the destination accepts or refuses") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.nft("r2", R"(table ip t {
        chain i {
            type filter hook input priority 0
            tcp dport 23 drop
        }
    })");
    const auto result = scan(lab, chain_source(lab, 4), lab.address(4, 2, 2), "22,23", isolated());
    INFO(result.text());
    CHECK(result.verdict("r1", "tcp", 23) == "YES");
    CHECK(result.verdict("r2", "tcp", 22) == "YES");
    CHECK(result.verdict("r2", "tcp", 23) == "NO");
}

TEST_CASE("isolated: 4,000 services at three routers, all of them counted") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "T:1-2000,U:1-2000", isolated());
    INFO(result.outcome().err);
    REQUIRE(result.exit() == 0);
    CHECK(result.count("services") == 4000);
    CHECK(result.count("unknown") == 0);
    CHECK(result.verdict("r2", "udp", 69) == "NO");
    CHECK(result.verdict("r3", "udp", 69) == "NO");
    CHECK(result.verdict("r1", "udp", 69) == "YES");
}

TEST_CASE("isolated: what does not go with it is an error") {
    const Lab lab(Pins::with_process);
    const auto wrong = [&](const std::vector<std::string>& more) {
        return scan(lab, "10.0.0.1", "10.0.0.2", "22", more);
    };
    CHECK(wrong(isolated({"--tap", "xdp"})).exit() == 2);
    CHECK(wrong({"--inject", "r1:eth0"}).exit() == 2);
    CHECK(wrong(isolated({"--inject", "r1"})).exit() == 2);
    CHECK(wrong(isolated({"--inject", "../../etc:eth0"})).exit() == 2);
    CHECK(wrong(isolated({"--inject", "no-such-router:eth0"})).exit() == 5);
    CHECK(wrong({"--mode", "isolate"}).error().find("isolated") != std::string::npos);
}

/// An isolated scan of all ports, which injects for some time.
static Command all_ports_of_two(Lab& lab) {
    build_two(lab);
    REQUIRE(ksmsctl_ok(lab));  // what is installed once stays
    return ksmsctl(
        lab, scan_arguments(two_source(lab, 4), two_destination(lab, 4), "T:1-65535", isolated()));
}

/// A signal ends a live-frames run in the middle, even one that only goes on.
TEST_CASE("isolated: stopped and continued while it injects") {
    Lab lab(Pins::with_process);
    Child scan(all_ports_of_two(lab));
    while (!scan.ended(std::chrono::milliseconds(1))) {
        scan.signal(SIGSTOP);
        scan.signal(SIGCONT);
    }
    const Scan result(lab, scan.wait());
    INFO(result.outcome().err);
    REQUIRE(result.exit() == 0);
    CHECK(result.field("state") == "done");
    CHECK(result.count("yes") == 65535);
}

TEST_CASE("isolated: Ctrl-C while it injects ends with a document") {
    Lab lab(Pins::with_process);
    Child scan(all_ports_of_two(lab));
    const auto sent_by_r1 = [&] {
        return std::stoul(lab.in("r1", {"sh", "-c", "awk '/eth1:/ {print $11}' /proc/net/dev"}));
    };
    REQUIRE(eventually([&] { return sent_by_r1() > 5000; }));
    scan.signal(SIGINT);
    const Scan result(lab, scan.wait());
    INFO(result.outcome().err);
    CHECK(result.exit() == 130);
    CHECK(result.field("state") == "interrupted");
    CHECK(result.result("tcp", 1) == "YES");
}
