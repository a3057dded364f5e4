// SPDX-License-Identifier: BSD-2-Clause
// The verdict over every combination of evidence, and the cases that deserve a sentence.
#include <algorithm>
#include <catch2/catch.hpp>

#include "evidence_by_hand.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

bool asks(const ProbeVerdict& verdict, const NetworkQuestion& question) {
    return std::ranges::find(verdict.open, question) != verdict.open.end();
}

}  // namespace

TEST_CASE(
    "verdict: every combination of evidence at two routers agrees with the contract's words") {
    enum Drop { none, firewall, no_socket };
    for (const bool local : {false, true}) {
        const auto plan = chain(2, local);
        for (int bits = 0; bits < 16; ++bits) {
            for (int drops = 0; drops < 9; ++drops) {
                for (const bool interrupted : {false, true}) {
                    const bool in[] = {(bits & 1) != 0, (bits & 4) != 0};
                    const bool out[] = {(bits & 2) != 0, (bits & 8) != 0};
                    const int dropped[] = {drops % 3, drops / 3};
                    auto evidence = nothing(plan);
                    for (std::size_t i = 0; i < 2; ++i) {
                        const std::uint64_t at = 100 * (i + 1);
                        if (in[i]) evidence.routers[i].in = seen(at, 1);
                        if (out[i]) evidence.routers[i].out = seen(at + 1, 2);
                        if (dropped[i] != none)
                            evidence.routers[i].drop = drop(
                                at + 2, dropped[i] == firewall ? "NETFILTER_DROP" : "NO_SOCKET");
                    }
                    JudgeContext context;
                    context.interrupted = interrupted;
                    const auto verdict = told(plan, evidence, context);

                    // The truth, from the contract: YES came in and went out (or was accepted by
                    // the router that is the destination); NO came in and did not, or was dropped
                    // there; UNKNOWN neither.
                    Verdict expected[2];
                    bool stopped = false, behind_known = true;
                    for (std::size_t i = 0; i < 2; ++i) {
                        const bool here = in[i] || out[i];
                        const bool later = i == 0 && (in[1] || out[1]);
                        const bool last_local = local && i == 1;
                        if (stopped)
                            expected[i] = Verdict::unknown;
                        else if (out[i] && (dropped[i] == none || later))
                            expected[i] = Verdict::yes;
                        else if (out[i])
                            expected[i] = Verdict::no;
                        else if (here && later)
                            expected[i] = Verdict::yes;
                        else if (here && last_local && dropped[i] == no_socket)
                            expected[i] = Verdict::yes;
                        else if (dropped[i] != none)
                            expected[i] = Verdict::no;
                        else if (!here)
                            expected[i] = Verdict::unknown;
                        else if (interrupted)
                            expected[i] = Verdict::unknown;
                        else
                            expected[i] = last_local ? Verdict::yes : Verdict::no;
                        stopped = stopped || expected[i] == Verdict::no;
                        behind_known = behind_known && expected[i] == Verdict::yes;
                    }
                    // r1 saw nothing but r2 did: it was led past r1 or r1's taps missed it; never a
                    // NO at r1.
                    if (!in[0] && !out[0] && dropped[0] == none) {
                        for (const auto& row : verdict.walk)
                            if (row.router == 0) CHECK(row.answer.result == Verdict::unknown);
                        continue;
                    }
                    INFO("local " << local << " bits " << bits << " drops " << drops
                                  << " interrupted " << interrupted);
                    REQUIRE(verdict.walk.size() == 2);
                    CHECK(verdict.walk[0].answer.result == expected[0]);
                    CHECK(verdict.walk[1].answer.result == expected[1]);
                    CHECK(verdict.result == (stopped        ? Verdict::no
                                             : behind_known ? Verdict::yes
                                                            : Verdict::unknown));
                }
            }
        }
    }
}

TEST_CASE("verdict: a firewall's drop says where, why and by which hook") {
    const auto plan = chain(3);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    evidence.routers[1].in = seen(200, 1);
    evidence.routers[1].drop = drop(201, "NETFILTER_DROP");
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::no);
    CHECK(verdict.stopped_at == "r2");
    CHECK(verdict.reason == "NETFILTER_DROP");
    CHECK(verdict.why == "r2: firewall, FORWARD (NETFILTER_DROP)");
    REQUIRE(verdict.walk.size() == 3);
    CHECK(verdict.walk[2].answer.stopped_before);
    CHECK(verdict.walk[2].answer.reason == "stopped_before:r2");
}

TEST_CASE("verdict: dropped behind the egress tap is NO, unless it was seen further on") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    evidence.routers[0].drop = drop(150, "QDISC_DROP");
    CHECK(told(plan, evidence).result == Verdict::no);
    passes(evidence, 1, 200);
    CHECK(told(plan, evidence).result == Verdict::yes);
}

TEST_CASE("verdict: never seen is UNKNOWN and says how often it was sent") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    evidence.sent = 4;
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "lost");
    CHECK(verdict.why == "lost: sent 4 times, r1 saw none");
    CHECK(verdict.notes == std::vector<std::string>{"retransmitted"});
}

TEST_CASE("verdict: the source's own firewall makes it UNKNOWN, not NO") {
    const auto plan = chain(1);
    auto evidence = nothing(plan);
    evidence.source_drop = drop(50, "NETFILTER_DROP");
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:NETFILTER_DROP");
    CHECK(verdict.walk[0].answer.notes == std::vector<std::string>{"source-firewall"});
}

TEST_CASE("verdict: a gateway that does not answer is UNKNOWN, a firewall before it still NO") {
    const auto plan = chain(1);
    JudgeContext context;
    context.missing_gateways.insert({0, 2});
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    auto verdict = told(plan, evidence, context);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:next-hop-missing");
    CHECK(verdict.notes == std::vector<std::string>{"next-hop-missing"});
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    verdict = told(plan, evidence, context);
    CHECK(verdict.result == Verdict::no);
}

TEST_CASE("verdict: out by a tap before neighbours is no way out while nobody answers there") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    const NetworkQuestion question{NetworkQuestion::What::silent, {0, 0, 1, 2, 33, false, {}}};
    JudgeContext context;
    CHECK(!asks(judge(plan, 0, 0, evidence, context), question));
    context.taps_before_neighbours = {true, false};
    CHECK(asks(judge(plan, 0, 0, evidence, context), question));
    context.answers[question] = false;
    CHECK(!asks(judge(plan, 0, 0, evidence, context), question));
    CHECK(told(plan, evidence, context).walk[0].answer.result == Verdict::yes);
    context.answers[question] = true;
    const auto verdict = told(plan, evidence, context);
    CHECK(verdict.walk[0].answer.result == Verdict::unknown);
    CHECK(verdict.reason == "not_sent:next-hop-missing");
    CHECK(verdict.why == "r1: the next hop on out0 does not answer");
    CHECK(verdict.walk[1].answer.reason == "stopped_before:r1");
    passes(evidence, 1, 200);
    CHECK(told(plan, evidence, context).result == Verdict::yes);
}

TEST_CASE("verdict: a way between two routers that the plan does not know may have others on it") {
    auto plan = chain(2);
    auto evidence = nothing(plan);
    for (const std::size_t router : {0, 1}) passes(evidence, router, 100 + 100 * router);
    const auto asked_behind_first = [&] {
        return std::ranges::any_of(judge(plan, 0, 0, evidence, {}).open, [](const auto& question) {
            return question.what == NetworkQuestion::What::unwatched &&
                   question.departure.router == 0;
        });
    };
    plan.paths[0].hops.pop_back();
    plan.paths[0].end = PathEnd::refused;
    CHECK_FALSE(asked_behind_first());
    plan.next.clear();
    CHECK(asked_behind_first());
    evidence.routers[1] = {};
    plan.paths[0].end = PathEnd::destination;
    CHECK_FALSE(asked_behind_first());
}

TEST_CASE("verdict: translated past the plan is UNKNOWN where routers without taps are behind") {
    const auto plan = chain(1);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    JudgeContext context;
    CHECK(judge(plan, 0, 0, evidence, context).open.empty());
    auto& out = evidence.routers[0].out;
    out.translated = out.destination_translated = true;
    out.destination = *Address::parse("10.4.0.9");
    out.destination_port = 80;
    const auto asked = judge(plan, 0, 0, evidence, context);
    CHECK(asked.result == Verdict::yes);
    REQUIRE(asked.open.size() == 1);
    CHECK(asked.open[0].what == NetworkQuestion::What::unwatched);
    CHECK(asked.open[0].departure.to == Endpoint{out.destination, 80});
    context.answers[asked.open[0]] = true;
    const auto verdict = told(plan, evidence, context);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.why == "it was led on to routers without taps");
    CHECK(verdict.walk[0].answer.result == Verdict::yes);
    evidence.destination = seen(300, 1);
    CHECK(told(plan, evidence, context).result == Verdict::yes);
}

TEST_CASE("verdict: a firewall's drop on the way back is at one of two hooks") {
    auto plan = chain(1);
    plan.paths[0].hops[0].egress = {1, "in0"};
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    evidence.routers[0].drop.hook = KSMS_HOOK_UNKNOWN;
    const auto verdict = told(plan, evidence);
    CHECK(verdict.hook.empty());
    CHECK(verdict.why == "r1: firewall, FORWARD or POSTROUTING (NETFILTER_DROP)");
}

TEST_CASE("verdict: translated and remarked are YES, with the values in the notes") {
    const auto plan = chain(1);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    auto& out = evidence.routers[0].out;
    out.seen_dscp = 0;
    out.translated = out.destination_translated = true;
    out.destination = *Address::parse("10.4.0.9");
    out.destination_port = 8443;
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.notes == std::vector<std::string>{"remarked:0", "translated:10.4.0.9:8443"});
    CHECK(verdict.why == "bleached at r1; r1: translated to 10.4.0.9:8443");
}

TEST_CASE(
    "verdict: led another way, the unpredicted router is judged and the one it passed by is not") {
    auto plan = chain(3);
    PlanRouter detour;
    detour.netns = named("detour");
    detour.interfaces = {{1, "in0"}, {2, "out0"}};
    plan.routers.push_back(std::move(detour));
    plan.next[{0, 3}] = {3};
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].out = seen(101, 3);
    evidence.routers[3].in = seen(110, 1);
    evidence.routers[3].out = seen(111, 2);
    passes(evidence, 2, 200);
    const auto verdict = told(plan, evidence);
    std::vector<std::size_t> order;
    for (const auto& row : verdict.walk) order.push_back(row.router);
    CHECK(order == std::vector<std::size_t>{0, 3, 2});
    CHECK(verdict.result == Verdict::yes);
}

TEST_CASE("verdict: a router that is not asked for is on the way but not in the answer") {
    auto plan = chain(2);
    plan.routers[0].wanted = false;
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::no);
    CHECK(verdict.stopped_at == "r1");
    CHECK(verdict.why == "r1: firewall, FORWARD (NETFILTER_DROP)");
    CHECK(verdict.walk[1].answer.reason == "stopped_before:r1");
}

TEST_CASE("verdict: YES end to end is every router's, also of those that nobody asked for") {
    auto plan = chain(3);
    plan.routers[0].wanted = plan.routers[2].wanted = false;
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    passes(evidence, 1, 200);
    evidence.routers[2].in = seen(300, 1);
    evidence.routers[2].drop = drop(301, "NETFILTER_DROP");
    auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::no);
    CHECK(verdict.stopped_at == "r3");
    passes(evidence, 2, 300);
    evidence.routers[2].drop = {};
    verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.why.empty());
    CHECK(verdict.hook.empty());
    plan.routers[1].wanted = false;  // a way without any router that was asked for
    CHECK(told(plan, evidence).result == Verdict::yes);
}

TEST_CASE("verdict: accepted by the router that is the destination, also where nobody listens") {
    const auto plan = chain(1, true);
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NO_SOCKET");
    auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.why == "r1: accepted, nobody listens");
    JudgeContext blind;
    blind.drops_seen = false;
    evidence.routers[0].drop = {};
    verdict = told(plan, evidence, blind);
    CHECK(verdict.result == Verdict::unknown);
}
