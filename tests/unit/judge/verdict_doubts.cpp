// SPDX-License-Identifier: BSD-2-Clause
// What the judge makes of evidence that is incomplete: taps gone, a scan cut short, loops, another
// way than planned.
#include <catch2/catch.hpp>

#include "evidence_by_hand.hpp"

using namespace ksms;
using namespace ksms::test;

TEST_CASE("isolated: it begins where it came from the router before") {
    const auto plan = chain(3);
    auto evidence = nothing(plan);
    for (const std::size_t router : {0, 1, 2}) passes(evidence, router, 10 + 10 * router);
    evidence.begin_at(1);
    CHECK_FALSE(evidence.routers[0].touched());
    CHECK(evidence.routers[1].saw());
    CHECK(evidence.routers[2].saw());
    evidence.destination = seen(50, 1);
    evidence.begin_at(0);  // where it never came
    CHECK_FALSE(evidence.routers[1].touched());
    CHECK(evidence.destination.packets == 0);
}

TEST_CASE("isolated: UNKNOWN where another packet would be given") {
    const auto plan = chain(1);
    auto evidence = nothing(plan);
    evidence.given_another = true;
    const auto result = told(plan, evidence);
    CHECK(result.result == Verdict::unknown);
    CHECK(result.reason == "not_sent:changed-before");
    CHECK(result.why.find("a router before it changes the packet") != std::string::npos);
}

TEST_CASE("verdict: taps that are gone make UNKNOWN of what was not counted, never a NO") {
    const auto plan = chain(2);
    JudgeContext context;
    context.broken_routers = {"the egress filter on out0 was removed", ""};
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    auto verdict = told(plan, evidence, context);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:taps-gone");
    CHECK(verdict.why == "r1: the egress filter on out0 was removed");
    CHECK(verdict.walk[0].answer.notes == std::vector<std::string>{"taps-gone"});

    evidence = nothing(plan);  // neither tap of r1 counted, but r2 saw it
    passes(evidence, 1, 200);
    verdict = told(plan, evidence, context);
    CHECK(verdict.walk[0].answer.reason == "not_sent:taps-gone");
    CHECK(verdict.walk[1].answer.result == Verdict::yes);
}

TEST_CASE("verdict: what was counted before a tap was gone is judged") {
    const auto plan = chain(2);
    JudgeContext context;
    context.broken_routers = {"the interface side0 is gone", ""};
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    passes(evidence, 1, 200);
    CHECK(told(plan, evidence, context).result == Verdict::yes);
    evidence.routers[0].out = {};  // seen behind it
    CHECK(told(plan, evidence, context).result == Verdict::yes);
    evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    CHECK(told(plan, evidence, context).result == Verdict::no);
}

TEST_CASE("verdict: a firewall that may have answered by what came before is no NO and no YES") {
    auto plan = chain(1);
    plan.routers[0].memories = {"r1 t f handle 1", "r1 t f handle 2"};
    plan.routers[0].stopped_by_memory = {1};
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "state:r1 t f handle 1");
    evidence.routers[0].drop = drop(101, "IP_INNOROUTES");
    CHECK(told(plan, evidence).result == Verdict::no);
    evidence = nothing(plan);
    passes(evidence, 0, 100);
    CHECK(told(plan, evidence).result == Verdict::yes);
    plan.routers[0].passed_by_memory = {2};
    verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "state:r1 t f handle 2");
    CHECK(verdict.walk[0].answer.reason == "state:r1 t f handle 2");
}

TEST_CASE("verdict: what was over before the scan sent what rules remember met none of it") {
    auto plan = chain(1);
    plan.routers[0].memories = {"r1 t f handle 1"};
    plan.routers[0].stopped_by_memory = plan.routers[0].passed_by_memory = {1};
    auto stopped = nothing(plan);
    stopped.routers[0].in = seen(100, 1);
    stopped.routers[0].drop = drop(101, "NETFILTER_DROP");
    auto passed = nothing(plan);
    passes(passed, 0, 100);
    stopped.remembered_from = passed.remembered_from = instant(1000);
    CHECK(told(plan, stopped).result == Verdict::no);
    CHECK(told(plan, passed).result == Verdict::yes);
    plan.routers[0].counted_by_memory = {true};
    CHECK(told(plan, stopped).reason == "state:r1 t f handle 1");
    CHECK(told(plan, passed).reason == "state:r1 t f handle 1");
    plan.routers[0].counted_by_memory.clear();
    // One that a queue has kept until then.
    stopped.routers[0].drop.at = passed.routers[0].out.last = instant(1000);
    CHECK(told(plan, stopped).reason == "state:r1 t f handle 1");
    CHECK(told(plan, passed).reason == "state:r1 t f handle 1");
}

TEST_CASE("isolated: behind a router that may have stopped it for what came before") {
    auto plan = chain(2);
    plan.isolated = true;
    plan.entries.push_back(plan.entries.front());
    for (auto& entry : plan.entries) entry.injection.emplace().hop = 1;
    plan.entries[1].injection->hop = 2;
    plan.paths.push_back(plan.paths.front());
    plan.paths[0].hops.pop_back();
    plan.paths[1].hops.erase(plan.paths[1].hops.begin());
    plan.path_of = {0, 1};
    plan.routers[0].memories = {"r1 rule"};
    plan.routers[0].stopped_by_memory = {1};
    auto evidence = nothing(plan);
    evidence.probe = 1;
    passes(evidence, 1, 100);
    const auto of_second = [&] { return judge(plan, 1, 0, evidence, {}).walk.at(0).answer; };
    CHECK(of_second().why == Why::remembered);
    evidence.probe = 0;  // the packet that r1 has let pass
    CHECK(of_second().result == Verdict::yes);
    evidence.probe = 1;
    evidence.remembered_from = instant(1000);
    CHECK(of_second().result == Verdict::yes);
}

TEST_CASE("verdict: a router behind which it was seen has not lost it") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    passes(evidence, 1, 200);
    const auto verdict = told(plan, evidence);
    for (const auto& row : verdict.walk) CHECK_FALSE(row.answer.reason == "lost");
}

TEST_CASE("verdict: a scan that ended too soon says which end it was") {
    const auto plan = chain(1);
    const auto evidence = nothing(plan);
    JudgeContext context;
    context.out_of_time = true;
    CHECK(told(plan, evidence, context).reason == "not_sent:deadline");
    context.interrupted = true;
    CHECK(told(plan, evidence, context).reason == "not_sent:interrupted");
}

TEST_CASE(
    "verdict: in a routing loop each router stands once, the one where the TTL ran out says NO") {
    auto plan = chain(2);
    auto& hops = plan.paths[0].hops;
    hops.push_back({0, {2, "out0"}, {2, "out0"}, false});
    hops.push_back({1, {1, "in0"}, {1, "in0"}, false});
    plan.paths[0].end = PathEnd::loop;
    for (const std::size_t stops : {0U, 1U}) {
        auto evidence = nothing(plan);
        for (std::size_t router = 0; router < 2; ++router) {
            auto& seen_at = evidence.routers[router];
            seen_at.in = seen(100 + router, 1);
            seen_at.out = seen(110 + router, 2);
            seen_at.in.packets = seen_at.out.packets = 31;
            seen_at.in.last = seen_at.out.last = instant(1000 + router);
        }
        evidence.routers[stops].in.packets = 32;
        evidence.routers[stops].in.last = instant(2000);
        evidence.routers[stops].drop = drop(2001, "IP_INHDR");
        const auto verdict = told(plan, evidence);
        INFO("stops at router " << stops);
        REQUIRE(verdict.walk.size() == 2);
        for (std::size_t i = 0; i < 2; ++i) {
            CHECK(verdict.walk[i].router == i);
            CHECK(verdict.walk[i].answer.result == (i == stops ? Verdict::no : Verdict::yes));
            CHECK_FALSE(verdict.walk[i].answer.stopped_before);
        }
        CHECK(verdict.result == Verdict::no);
        CHECK(verdict.stopped_at == (stops == 0 ? "r1" : "r2"));
        CHECK(verdict.why.find("a routing loop") != std::string::npos);
    }
}

TEST_CASE("verdict: what left the source by another interface than a real packet is not judged") {
    auto plan = chain(2);
    plan.entries[0].interfaces = {{4, "eth1"}, {5, "eth2"}};
    plan.paths[0].leaves = {5, "eth2"};
    auto evidence = nothing(plan);
    evidence.source = seen(50, 4);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:another way");
    CHECK(verdict.why == "src sent it by eth1, its routes say eth2");
    REQUIRE(verdict.walk.size() == 2);
    for (const auto& row : verdict.walk) CHECK(row.answer.result == Verdict::unknown);
    evidence.source = seen(50, 5);
    verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::no);
    CHECK(verdict.stopped_at == "r1");
}

TEST_CASE("verdict: accepted behind a router of which nothing is known is UNKNOWN for its reason") {
    const auto plan = chain(2, true);
    auto evidence = nothing(plan);
    evidence.routers[1].in = seen(200, 1);
    JudgeContext context;
    auto verdict = told(plan, evidence, context);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:past-its-taps");
    CHECK(verdict.reached == true);
    context.broken_routers = {"the ingress filter on in0 was removed", ""};
    verdict = told(plan, evidence, context);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:taps-gone");
    CHECK(verdict.why.starts_with("r1: "));
    CHECK(verdict.reached == true);
}

TEST_CASE("verdict: of several next hops of the source a dead one concerns what it was sent to") {
    const auto plan = chain(1);
    auto evidence = nothing(plan);
    JudgeContext context;
    context.source_gateway_missing = {true};
    CHECK(told(plan, evidence, context).notes == std::vector<std::string>{"next-hop-missing"});
    evidence.source = seen(50, 1);
    evidence.segment_drop = drop(60, "NETFILTER_DROP");
    CHECK(told(plan, evidence, context).notes == std::vector<std::string>{"dropped-before-router"});
}
