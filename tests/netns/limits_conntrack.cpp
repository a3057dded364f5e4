// SPDX-License-Identifier: BSD-2-Clause
// Connection tracking on the way: no scan fills it, and each takes its own entries away.
#include <netinet/in.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "guard_actor.hpp"
#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/tracked.hpp"
#include "os/conntrack.hpp"

namespace {

using namespace ksms::lab;

/// Three routers that track, by three kinds of firewall, and forward everything. Nobody owns the
/// destination, so nothing answers, and entries stay.
void build_tracking_chain(Lab& lab) {
    build_chain(lab, {.destination = false, .firewalls = false});
    const char* rules =
        "*filter\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\nCOMMIT\n";
    lab.rules("r1", Firewall::iptables_nft, rules);
    lab.rules("r2", Firewall::iptables_legacy, rules);
    lab.nft("r3",
            "table inet ksms_lab {\nchain forward {\n"
            "type filter hook forward priority 0\nct state established accept\n}\n}\n");
}

/// An entry of somebody else's in every router.
void track_a_stranger(const Lab& lab, int family) {
    send_plain({.netns = lab.netns("src"),
                .source = "",
                .destination = chain_destination(lab, family),
                .protocol = "udp",
                .port = 53,
                .source_port = 777});
}

bool is_tracked(const Lab& lab, const std::string& node, const std::string& what) {
    return tracked_flows(lab, node).find(what) != std::string::npos;
}

TEST_CASE("limits: a scan takes its own connections out of the tracking, and nobody else's") {
    Lab lab(Pins::with_process);
    build_tracking_chain(lab);
    const std::string ports = GENERATE("22,25,53/udp,80,123/udp", "T:1-400,U:1-400");
    for (const int family : {4, 6}) {
        lab.ip("r3", {"neigh replace " + chain_destination(lab, family) +
                      " dev eth1 lladdr 02:00:00:00:00:09 nud permanent"});
        track_a_stranger(lab, family);
        for (const auto& router : kRouters)
            REQUIRE(eventually([&] { return is_tracked(lab, router, "sport=777 dport=53"); }));
        const auto before = tracked(lab, "r1");
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), ports);
        INFO("IPv" << family << " " << ports << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.count("yes") == result.count("services"));
        for (const auto& router : kRouters) {
            INFO(router);
            CHECK(is_tracked(lab, router, "sport=777 dport=53"));
            CHECK(tracked(lab, router) == before);
        }
    }
}

TEST_CASE("limits: entries that a NAT has made of a probe go too") {
    Lab lab(Pins::with_process);
    build_tracking_chain(lab);
    lab.rules("r1", Firewall::iptables_nft,
              "*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination :8080\n"
              "-A POSTROUTING -j MASQUERADE --random\nCOMMIT\n",
              4);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,80,53/udp");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    REQUIRE(result.has_note("r1", "tcp", 80, "translated:"));
    for (const auto& router : kRouters) {
        INFO(router);
        CHECK(tracked(lab, router) == 0);
    }
}

TEST_CASE("limits: all ports through a router with room for 20,000 do not fill it") {
    constexpr std::size_t kRoom = 20'000;
    if (most_tracked() < 2 * kRoom) {
        WARN("SKIP: nf_conntrack_max is " << most_tracked());
        return;
    }
    Lab lab(Pins::with_process);
    build_tracking_chain(lab);
    const std::string tight = "r2";
    fill_tracked(lab, tight, most_tracked() - kRoom);
    const auto before = tracked(lab, tight);
    REQUIRE(before == most_tracked() - kRoom);
    std::size_t most = 0;
    const auto result = [&] {
        const TrackedWatch watch(lab, tight);
        auto done = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "1-65535");
        most = watch.most();
        return done;
    }();
    INFO("exit " << result.exit() << " " << result.outcome().err << " most " << most);
    REQUIRE(result.exit() == 0);
    CHECK(result.count("yes") == 65535);
    CHECK(most > before);
    CHECK(most <= before + kRoom * 3 / 4);
    for (const auto& router : kRouters)
        CHECK(tracked(lab, router) == (router == tight ? before : 0));
    const auto warnings = result.field("warnings").dump();
    CHECK(warnings.find("parts") != std::string::npos);
    CHECK(warnings.find(lab.netns(tight)) != std::string::npos);
}

TEST_CASE("limits: without any room nothing is sent, and the answer says so") {
    Lab lab(Pins::with_process);
    build_tracking_chain(lab);
    fill_tracked(lab, "r1", most_tracked() - 1);
    const auto before = tracked(lab, "r1");
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,80", {"--timeout", "0.2"});
    INFO(result.text());
    CHECK(result.exit() == 1);
    CHECK(result.count("unknown") == 2);
    CHECK(result.end("tcp", 22)["reason"].get<std::string>().starts_with("not_sent:"));
    CHECK(tracked(lab, "r1") == before);
}

TEST_CASE("limits: an entry that is ours only by its reply is left alone") {
    using namespace ksms;
    Lab lab(Pins::with_process);
    build_tracking_chain(lab);
    const auto source = Address::parse(chain_source(lab, 4)).value();
    // The node r1 sends from its far side to the source: the reply's direction is a probe's.
    send_plain({.netns = lab.netns("r2"),
                .source = lab.address(4, 2, 2),
                .destination = source.text(),
                .protocol = "udp",
                .port = 33500,
                .source_port = 53});
    REQUIRE(eventually([&] { return tracked(lab, "r1") == 1; }));
    const auto far = Address::parse(lab.address(4, 2, 2)).value();
    auto conntrack = value(Conntrack::open(value(Netns::open(lab.netns("r1")))));
    const Flow probe{source, far, IPPROTO_UDP, 33500, 53};
    const Flow made{far, source, IPPROTO_UDP, 53, 33500};
    CHECK(value(conntrack.remove(std::vector{probe})) == 0);
    CHECK(value(conntrack.remove_like(probe, [](std::uint16_t) { return true; })) == 0);
    value(conntrack.remove_all_like(probe));
    CHECK(tracked(lab, "r1") == 1);
    CHECK(value(conntrack.remove_like(made, [](std::uint16_t port) { return port == 9; })) == 0);
    auto other = made;
    other.source = source;
    value(conntrack.remove_all_like(other));
    other = made;
    other.destination = far;
    value(conntrack.remove_all_like(other));
    CHECK(tracked(lab, "r1") == 1);
    CHECK(value(conntrack.remove(std::vector{made})) == 1);
    CHECK(tracked(lab, "r1") == 0);
}

}  // namespace
