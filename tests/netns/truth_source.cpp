// SPDX-License-Identifier: BSD-2-Clause
// The source: what stops a real socket there, and what several owners of one address have in
// common.
#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/process.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;
using ksms::Fd;

/// `ip rule add dscp DSCP table TABLE`, which Debian's ip does not know.
void add_dscp_rule(const Lab& lab, const std::string& node, int family, std::uint8_t dscp,
                   std::uint8_t table) {
    constexpr std::uint16_t fra_dscp = 25;  // linux/fib_rules.h since Linux 6.13
    struct {
        nlmsghdr header;
        fib_rule_hdr rule;
        rtattr priority;
        std::uint32_t priority_is;
        rtattr dscp;
        std::uint8_t dscp_is, padding[3];
    } message{};
    message.header = {sizeof message, RTM_NEWRULE,
                      NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, 0};
    message.rule.family = family == 4 ? AF_INET : AF_INET6;
    message.rule.table = table;
    message.rule.action = FR_ACT_TO_TBL;
    message.priority = {RTA_LENGTH(4), FRA_PRIORITY};
    message.priority_is = 100;
    message.dscp = {RTA_LENGTH(1), fra_dscp};
    message.dscp_is = dscp;
    inside(lab.netns(node), [&] {
        const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        ::send(fd.get(), &message, sizeof message, 0);
        struct {
            nlmsghdr header;
            nlmsgerr error;
            char more[256];
        } answer{};
        if (::recv(fd.get(), &answer, sizeof answer, 0) <= 0 || answer.error.error != 0)
            throw std::runtime_error(fmt::format("rule: {}", answer.error.error));
    });
}

void check_dscp_route(const Lab& lab, int family) {
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), two_destination(lab, family), "22",
                                asked, {"--dscp", "32"});
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.result("tcp", 22) == "YES");
    }
}

}  // namespace

TEST_CASE("truth: a router refuses the scan's DSCP by a routing rule, and no user's packet") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("a packet without a mark arrives", [&] {
        build_two(lab);
        add_dscp_rule(lab, "r2", family, 32, 100);
        const std::string route = "route add unreachable default table 100";
        if (family == 4)
            lab.ip("r2", {route});
        else
            lab.ip6("r2", {route});
        return observe(lab, two_destination(lab, family), {{"tcp", 22}}) == std::vector<bool>{true};
    });
    check_dscp_route(lab, family);
}

TEST_CASE("truth: a routing rule that looks at the scan's DSCP is noticed") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("a packet without a mark arrives", [&] {
        build_two(lab);
        lab.link({"r2", "eth2", 1}, {"dst", "eth1", 2}, 6);
        add_dscp_rule(lab, "r2", family, 32, 100);
        const auto other_way = fmt::format("route add {} via {} table 100", lab.subnet(family, 3),
                                           lab.address(family, 6, 2));
        if (family == 4)
            lab.ip("r2", {other_way});
        else
            lab.ip6("r2", {other_way});
        return observe(lab, two_destination(lab, family), {{"tcp", 22}}) == std::vector<bool>{true};
    });
    const auto result =
        scan(lab, two_source(lab, family), two_destination(lab, family), "22", {"--dscp", "32"});
    INFO("IPv" << family << "\n" << result.text());
    CHECK(result.result("tcp", 22) == "YES");
    CHECK(result.end("tcp", 22)["notes"] == nlohmann::json::array({"dscp-routed"}));
    const auto other =
        scan(lab, two_source(lab, family), two_destination(lab, family), "22", {"--dscp", "33"});
    CHECK(other.end("tcp", 22)["notes"].empty());
}

namespace {

/// @param selector  of a policy that blocks 80/tcp
void check_policy(int family, const std::vector<std::string>& selector) {
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto target = two_destination(lab, family);
    given("80/tcp was reached before, and is not any more", [&] {
        const bool before = observe(lab, target, {{"tcp", 80}}) == std::vector<bool>{true};
        std::vector<std::string> policy{
            "ip", "xfrm", "policy", "add", "src", two_source(lab, family), "dst", target};
        policy.insert(policy.end(), selector.begin(), selector.end());
        policy.insert(policy.end(), {"dir", "out", "action", "block"});
        lab.in("src", policy);
        Capture there(lab.netns("dst"), "eth0");
        try {
            send_plain(
                {.netns = lab.netns("src"), .destination = target, .protocol = "tcp", .port = 80});
        } catch (const std::exception&) {
            return before && !there.saw("tcp", 80);  // EPERM
        }
        return false;
    });
    for (const auto& asked : by_every_tap()) {
        const auto result = ask(lab, two_source(lab, family), target, "80,81", asked, kImpatient);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.result("tcp", 80) == "UNKNOWN");
        CHECK(result.end("tcp", 80)["reason"] ==
              "not_sent:blocked by an IPsec policy of the source");
        if (!selector.empty()) CHECK(result.result("tcp", 81) == "YES");
    }
}

}  // namespace

TEST_CASE("truth: an IPsec policy of the source blocks a service that a raw socket can reach") {
    check_policy(GENERATE(4, 6), {"proto", "tcp", "dport", "80"});
}

TEST_CASE("truth: an IPsec policy of the source blocks everything") {
    check_policy(GENERATE(4, 6), {});
}

TEST_CASE("truth: an IPsec policy of a router blocks what it forwards") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    const auto target = two_destination(lab, family);
    given("80/tcp stops", [&] {
        build_two(lab);
        lab.in("r2", {"ip", "xfrm", "policy", "add", "src", two_source(lab, family), "dst", target,
                      "proto", "tcp", "dport", "80", "dir", "fwd", "action", "block"});
        return observe(lab, target, {{"tcp", 80}, {"tcp", 81}}) == std::vector<bool>{false, true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), target, "80,81", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 80) == "NO");
        CHECK(result.result("tcp", 80) == "NO");
        CHECK(result.result("tcp", 81) == "YES");
    }
}

TEST_CASE("truth: two namespaces own the source, and each has its own answer") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("22/tcp of one arrives, of the other it does not", [&] {
        for (const char* host : {"src", "other", "dst"}) lab.host(host);
        for (const char* router : {"r1", "r2", "core"}) lab.router(router);
        lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        lab.link({"other", "eth1", 1}, {"r2", "eth0", 2}, 1);
        lab.link({"r1", "eth1", 1}, {"core", "eth0", 2}, 2);
        lab.link({"r2", "eth1", 1}, {"core", "eth1", 2}, 4);
        lab.link({"core", "eth2", 1}, {"dst", "eth0", 2}, 3);
        for (const char* host : {"src", "other"}) lab.default_route(host, 1, 2);
        lab.route("r1", 3, 2, 2);
        lab.route("r2", 3, 4, 2);
        lab.route("core", 1, 2, 1);
        lab.default_route("dst", 3, 1);
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n");
        const bool by_r1 =
            observe(lab, two_destination(lab, family), {{"tcp", 22}}) == std::vector<bool>{true};
        Capture there(lab.netns("dst"), "eth0");
        for (const int port : {22, 23})
            send_plain({.netns = lab.netns("other"),
                        .destination = two_destination(lab, family),
                        .protocol = "tcp",
                        .port = port});
        return by_r1 && eventually([&] { return there.saw("tcp", 23); }) && !there.saw("tcp", 22);
    });
    for (const auto& asked : by_every_tap()) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22, "src") == "YES");
        CHECK(result.verdict("core", "tcp", 22, "src") == "YES");
        CHECK(result.verdict("r2", "tcp", 22, "other") == "NO");
        CHECK(result.verdict("core", "tcp", 22, "other") != "YES");
        CHECK(result.result("tcp", 22) == "MIXED");
        CHECK(result.result("tcp", 23) == "YES");
    }
}
