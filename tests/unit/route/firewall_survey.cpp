// SPDX-License-Identifier: BSD-2-Clause
// What firewalls say about a scan, into a plan made by hand.
#include "route/firewall_survey.hpp"

#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "plan/fake_network.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

using Numbers = std::vector<std::uint8_t>;

/// Three services through one router.
struct OneRouter {
    FakeNetwork network;
    std::size_t src = network.node("src", false), r1 = network.node("r1", true);
    ScanRequest request;
    FirewallRules rules;

    OneRouter() {
        request.source = ip("10.0.0.2");
        request.destination = ip("10.0.2.2");
        request.services = {{IPPROTO_TCP, 22}, {IPPROTO_TCP, 23}, {IPPROTO_UDP, 23}};
    }
    Plan surveyed() {
        network[r1].firewall = rules;
        Plan plan;
        plan.entries.push_back({PlanNetns(src, "src", 1), {}});
        plan.routers.push_back({PlanNetns(r1, "r1", 2), {}});
        plan.path_of = {0, 0, 0};
        survey_firewalls(network, request, plan);
        return plan;
    }
};

const ServiceRange kTelnet{IPPROTO_TCP, 23, 23};

}  // namespace

TEST_CASE("survey: a rule that stops by a list doubts every NO once a service asked for fills it") {
    OneRouter one;
    one.rules.lists = {{{}, "bad", false, false, true, false, "t f handle 1"},
                       {kTelnet, "bad", true, false, false, false, "t f handle 2"}};
    const auto plan = one.surveyed();
    CHECK(plan.routers[0].memories == std::vector<std::string>{"r1 t f handle 1"});
    CHECK(plan.routers[0].stopped_by_memory == Numbers{1, 1, 1});
    CHECK(plan.routers[0].passed_by_memory.empty());
    REQUIRE(plan.warnings.size() == 1);
    CHECK(plan.warnings[0].find("t f handle 2") != std::string::npos);
    CHECK(plan.spared.empty());
}

TEST_CASE("survey: a list that no service of the scan fills doubts nothing") {
    OneRouter one;
    one.rules.lists = {{{}, "bad", false, false, true, false, "asks"},
                       {{IPPROTO_TCP, 99, 99}, "bad", true, false, false, false, "adds"},
                       {{}, "other", false, false, true, true, "asks another list"}};
    const auto plan = one.surveyed();
    CHECK(plan.routers[0].memories.empty());
    CHECK(plan.warnings.empty());
}

TEST_CASE("survey: what opens by a list doubts a YES, and every nth packet doubts both") {
    OneRouter one;
    one.rules.lists = {{{IPPROTO_TCP, 22, 22}, "knocked", false, false, false, true, "opens"},
                       {kTelnet, "knocked", true, false, false, false, "knocks"},
                       {{IPPROTO_UDP, 0, 65535}, "", true, false, true, true, "nth"}};
    const auto plan = one.surveyed();
    CHECK(plan.routers[0].passed_by_memory == Numbers{1, 0, 2});
    CHECK(plan.routers[0].stopped_by_memory == Numbers{0, 0, 2});
    CHECK(plan.warnings.size() == 1);  // the third remembers no source
}

TEST_CASE("survey: a gentle scan spares what fills lists and what limits each source") {
    OneRouter one;
    one.request.gentle = true;
    one.rules.lists = {{kTelnet, "bad", true, false, false, false, "adds"}};
    one.rules.limits = {
        {{IPPROTO_UDP, 0, 65535}, kUsualInterval, true, false, false, "each source"},
        {{IPPROTO_TCP, 22, 22}, kUsualInterval, false, false, false, "all together"}};
    const auto plan = one.surveyed();
    CHECK(plan.spared == Numbers{0, 1, 2});
    CHECK(plan.sparing == std::vector<std::string>{"r1 adds", "r1 each source"});
    CHECK(plan.warnings.empty());
    CHECK(plan.routers[0].limits.size() == 2);
}

TEST_CASE("survey: rules that look at the DSCP are found at the source and at routers") {
    for (const bool at_source : {true, false}) {
        OneRouter one;
        (at_source ? one.network[one.src].firewall : one.rules).dscp = {kTelnet};
        CHECK(one.surveyed().dscp_filtered == std::vector<bool>{false, true, false});
    }
    OneRouter one;
    one.rules.dscp = {{IPPROTO_TCP, 99, 99}};
    CHECK(one.surveyed().dscp_filtered.empty());
}

TEST_CASE("survey: more rules than numbers count as the last one") {
    OneRouter one;
    for (int i = 0; i < 300; ++i)
        one.rules.lists.push_back({kTelnet, "bad", true, false, true, false, std::to_string(i)});
    one.rules.lists.push_back(
        {{IPPROTO_TCP, 22, 22}, "bad", false, false, true, false, "the last"});
    const auto plan = one.surveyed();
    CHECK(plan.routers[0].memories.size() == 254);
    CHECK(plan.routers[0].stopped_by_memory == Numbers{254, 1, 0});
}

TEST_CASE("survey: what a scan may take off a list doubts a NO as well as a YES") {
    OneRouter one;
    one.rules.lists = {{{IPPROTO_TCP, 22, 22}, "ok", false, false, false, true, "asks"},
                       {kTelnet, "ok", false, true, false, false, "removes"}};
    const auto plan = one.surveyed();
    CHECK(plan.routers[0].stopped_by_memory == Numbers{1, 0, 0});
    CHECK(plan.routers[0].passed_by_memory == Numbers{1, 0, 0});
}

TEST_CASE("survey: where a rule translates ports a service may meet rules for another one") {
    OneRouter one;
    one.rules.translations.resize(1);
    one.rules.dscp = {{IPPROTO_TCP, 3000, 3000}};
    one.rules.lists = {{{}, "bad", false, false, true, false, "asks"},
                       {{IPPROTO_UDP, 3000, 3000}, "bad", true, false, false, false, "adds"}};
    const auto plan = one.surveyed();
    CHECK(plan.dscp_filtered == std::vector<bool>{true, true, false});
    CHECK(plan.routers[0].stopped_by_memory == Numbers{1, 1, 1});
    CHECK(plan.warnings.size() == 1);
}

TEST_CASE("survey: what a rule remembers and another asks is sent last") {
    OneRouter one;
    const ListRule asks{{}, "bad", false, false, true, false, "asks"};
    const ListRule adds{kTelnet, "bad", true, false, false, false, "adds"};
    const ListRule removes{{IPPROTO_TCP, 22, 22}, "bad", false, true, false, false, "removes"};
    one.rules.lists = {adds};
    CHECK(one.surveyed().remembered.empty());  // nobody asks
    one.rules.lists = {asks, adds};
    auto plan = one.surveyed();
    CHECK(plan.remembered == std::vector<bool>{false, true, false});
    CHECK(plan.turn_of(0) == Turn::unremembered);
    CHECK(plan.turn_of(1) == Turn::remembered);
    one.rules.lists = {asks, adds, removes};
    CHECK(one.surveyed().remembered == std::vector<bool>{true, true, false});
    // Only what may be translated may become what is remembered.
    one.rules.lists = {asks, {{IPPROTO_TCP, 99, 99}, "bad", true, false, false, false, "adds"}};
    one.rules.translations.push_back({{IPPROTO_TCP, 22, 22}, {}});
    plan = one.surveyed();
    CHECK(plan.remembered == std::vector<bool>{true, false, false});
    CHECK(plan.routers[0].stopped_by_memory == Numbers{1, 1, 1});
    // One translation may lead to the next.
    one.rules.translations.assign(1, {{IPPROTO_TCP, 90, 95}, {99, 99}});
    one.rules.translations.push_back({kTelnet, {80, 94}});
    CHECK(one.surveyed().remembered == std::vector<bool>{false, true, false});
    one.rules.translations.assign(1, {{IPPROTO_TCP, 22, 23}, {98, 98}});
    CHECK(one.surveyed().remembered.empty());
}

TEST_CASE("survey: a rule for answers remembers whatever is answered") {
    for (const ServiceRange& answers :
         {ServiceRange{IPPROTO_ICMP}, ServiceRange{IPPROTO_TCP, 1024, 65535}}) {
        OneRouter one;
        one.rules.lists = {{{}, "bad", false, false, true, true, "asks"},
                           {answers, "bad", true, false, false, false, "adds"}};
        const bool errors = answers.protocol == IPPROTO_ICMP;
        CHECK(one.surveyed().remembered == std::vector<bool>{true, true, errors});
    }
}

TEST_CASE("survey: what was sent before this scan may be on a list") {
    OneRouter one;
    one.rules.lists = {{{}, "bad", false, false, true, true, "asks"},
                       {{IPPROTO_TCP, 99, 99}, "bad", true, false, false, false, "adds"}};
    CHECK_FALSE(one.surveyed().remembers_before);
    one.request.sent_before = {{IPPROTO_UDP, 99}};
    CHECK_FALSE(one.surveyed().remembers_before);
    one.request.sent_before = {{IPPROTO_TCP, 99}};
    const auto plan = one.surveyed();
    CHECK(plan.remembers_before);
    CHECK(plan.remembered.empty());
    CHECK(plan.routers[0].stopped_by_memory == Numbers{1, 1, 1});
}

TEST_CASE("survey: a meter that no other rule asks is no trap") {
    OneRouter one;
    one.rules.limits = {{kTelnet, kUsualInterval, true, false, false, "meter"}};
    one.rules.lists = {{kTelnet, "pace", true, false, false, false, "meter"}};
    CHECK(one.surveyed().warnings.empty());
    one.rules.lists.push_back({{}, "pace", false, false, true, false, "asks"});
    CHECK(one.surveyed().warnings.size() == 1);
}

TEST_CASE("survey: where a rule translates ports a limit on another port may concern a service") {
    OneRouter one;
    one.rules.translations.resize(1);
    one.rules.limits = {{{IPPROTO_TCP, 3000, 3000}, kUsualInterval, false, false, false, "tcp"},
                        {{IPPROTO_UDP, 3000, 3000}, kUsualInterval, false, false, false, "udp"}};
    const auto plan = one.surveyed();
    REQUIRE(plan.routers[0].limits.size() == 2);
    CHECK(plan.routers[0].limits[0].services == ServiceRange{IPPROTO_TCP});
    CHECK(plan.routers[0].limits[1].services == ServiceRange{IPPROTO_UDP});
}

TEST_CASE("survey: rules for a tunnel's outer packet concern whatever is in it") {
    for (const bool tunnel : {true, false}) {
        OneRouter one;
        one.network.interface(one.r1, "tun0", tunnel ? "vxlan" : "dummy");
        one.rules.limits = {
            {{IPPROTO_TCP, 22, 22}, kUsualInterval, false, false, false, "tcp"},
            {{IPPROTO_UDP, 4789, 4789}, kUsualInterval, false, false, false, "vxlan"}};
        const auto plan = one.surveyed();
        REQUIRE(plan.routers[0].limits.size() == 2);
        CHECK(plan.routers[0].limits[0].services == ServiceRange{IPPROTO_TCP, 22, 22});
        CHECK((plan.routers[0].limits[1].services == ServiceRange{}) == tunnel);
    }
}

TEST_CASE("survey: the source's limits are its entry's, and what it changes by a list is noted") {
    OneRouter one;
    auto& rules = one.network[one.src].firewall;
    rules.limits = {{kTelnet, kUsualInterval, false, false, true, "marks"}};
    rules.lists = {{kTelnet, "bad", true, false, false, false, "adds"},
                   {{IPPROTO_TCP, 22, 22}, "bad", false, false, true, true, "remarks"},
                   {{IPPROTO_UDP, 0, 65535}, "bad", false, false, true, false, "stops"}};
    const auto plan = one.surveyed();
    CHECK(plan.entries[0].limits.size() == 1);
    CHECK(plan.routers[0].limits.empty());
    CHECK(plan.changing == std::vector<std::string>{"src remarks"});
    CHECK(plan.changed == Numbers{1, 0, 0});
}

TEST_CASE("survey: a program that nobody can read may look at the DSCP") {
    OneRouter one;
    CHECK_FALSE(one.surveyed().sorted);
    one.network[one.r1].sorts = true;
    CHECK(one.surveyed().sorted);
}
