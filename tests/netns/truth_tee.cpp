// SPDX-License-Identifier: BSD-2-Clause
// Packets that a router sees twice, and copies that go on by themselves (TEE).
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/truth.hpp"
#include "truth_passing.hpp"

namespace {

using namespace ksms::lab;

/// r2 copies what comes in by eth0 to a box, which sends it back by the same link.
void tee_at_r2(Lab& lab, int family, const std::string& match) {
    build_two(lab);
    lab.router("box");
    lab.link({"r2", "eth2", 1}, {"box", "eth0", 2}, 4);
    lab.default_route("box", 4, 1);
    lab.sysctl("box", "ipv4/conf/all/send_redirects", "0");
    lab.sysctl("box", "ipv4/conf/eth0/send_redirects", "0");
    lab.rules("r2", Firewall::iptables_legacy,
              fmt::format("*mangle\n-A PREROUTING {} -j TEE --gateway {}\nCOMMIT\n", match,
                          lab.address(family, 4, 2)),
              family);
}

}  // namespace

TEST_CASE("truth: TEE to a box that sends each copy back once") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("everything arrives", [&] {
        tee_at_r2(lab, family, "-i eth0");
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, in_every_way());
}

TEST_CASE("truth: TEE to a box, again and again until the copies' time is over") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("everything arrives", [&] {
        tee_at_r2(lab, family, "! -s " + lab.subnet(family, 4));
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, in_every_way());
}

TEST_CASE("truth: a copy that TEE sent to a router behind is not the packet that was dropped") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("22/tcp stops at r1, its copy at r2", [&] {
        build_two(lab);
        lab.link({"r1", "eth2", 1}, {"r2", "eth2", 2}, 4);
        lab.rules("r1", Firewall::iptables_legacy,
                  fmt::format("*mangle\n-A PREROUTING -i eth0 -j TEE --gateway {}\nCOMMIT\n",
                              lab.address(family, 4, 2)),
                  family);
        lab.rules("r1", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n");
        lab.rules("r2", Firewall::iptables_legacy, "*filter\n-A FORWARD -i eth2 -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
               std::vector<bool>{false, true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "NO");
        CHECK(result.result("tcp", 22) == "NO");
        for (const char* router : {"r1", "r2"}) CHECK(result.verdict(router, "tcp", 23) == "YES");
        CHECK(result.result("tcp", 23) == "YES");
    }
}

namespace {

void check_two_ways(int family, const std::vector<Asked>& ways) {
    Lab lab(Pins::with_process);
    given("everything arrives once", [&] {
        build_two(lab);
        lab.router("box");
        lab.link({"r1", "eth2", 1}, {"box", "eth0", 2}, 4);
        lab.link({"box", "eth1", 1}, {"r2", "eth2", 2}, 5);
        lab.route("box", 3, 5, 2);
        lab.rules("r1", Firewall::iptables_legacy,
                  fmt::format("*mangle\n-A PREROUTING -i eth0 -j TEE --gateway {}\nCOMMIT\n",
                              lab.address(family, 4, 2)),
                  family);
        lab.rules("r2", Firewall::iptables_legacy, "*filter\n-A FORWARD -i eth2 -j DROP\nCOMMIT\n");
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, ways);
}

}  // namespace

TEST_CASE("truth: of two ways at once the slower copy is dropped where both meet") {
    check_two_ways(GENERATE(4, 6), by_every_tap());
}

TEST_CASE("truth: of two ways at once the slower copy is dropped, in isolated mode") {
    check_two_ways(GENERATE(4, 6), only({"isolated"}));
}

TEST_CASE("truth: a way that passes one router twice, with a firewall in between") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("23/tcp stops at the firewall, 24/tcp behind it", [&] {
        lab.host("src");
        lab.router("r1");
        lab.router("fw");
        lab.host("dst");
        lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        lab.link({"r1", "eth2", 1}, {"fw", "eth0", 2}, 2);
        lab.link({"fw", "eth1", 1}, {"r1", "eth3", 2}, 5);
        lab.link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 3);
        lab.default_route("src", 1, 2);
        lab.default_route("dst", 3, 1);
        lab.default_route("fw", 5, 2);
        for (const int each : {4, 6}) {
            const std::vector<std::string> lines{
                "rule add iif eth0 table 100",
                fmt::format("route add default via {} table 100", lab.address(each, 2, 2))};
            if (each == 4)
                lab.ip("r1", lines);
            else
                lab.ip6("r1", lines);
        }
        lab.rules("fw", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
        lab.rules("r1", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -i eth3 -p tcp --dport 24 -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family),
                       {{"tcp", 22}, {"tcp", 23}, {"tcp", 24}}) ==
               std::vector<bool>{true, false, false};
    });
    for (const auto& asked : by_every_tap()) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "22-24", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "YES");
        CHECK(result.verdict("fw", "tcp", 22) == "YES");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.verdict("r1", "tcp", 23) != "NO");
        CHECK(result.verdict("fw", "tcp", 23) == "NO");
        CHECK(result.result("tcp", 23) == "NO");
        CHECK(result.verdict("fw", "tcp", 24) != "NO");
        CHECK(result.verdict("r1", "tcp", 24) == "NO");
        CHECK(result.result("tcp", 24) == "NO");
    }
}
