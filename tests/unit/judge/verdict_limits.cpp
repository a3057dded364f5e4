// SPDX-License-Identifier: BSD-2-Clause
// Evidence of more than one try: what a firewall stopped at one and let pass at another.
#include <algorithm>
#include <catch2/catch.hpp>

#include "evidence_by_hand.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

/// Tried again alone: each router saw it come in twice.
ProbeEvidence tried_twice(const Plan& plan) {
    auto evidence = nothing(plan);
    evidence.sent = 2;
    evidence.tried_again = 1;
    return evidence;
}

bool limited(const Told& verdict, std::size_t at) {
    return std::ranges::find(verdict.walk[at].answer.notes, "rate-limited") !=
           verdict.walk[at].answer.notes.end();
}

}  // namespace

TEST_CASE("verdict: stopped in the burst and passed alone is YES, rate-limited") {
    const auto plan = chain(1);
    auto evidence = tried_twice(plan);
    passes(evidence, 0, 300);
    evidence.routers[0].in.packets = 2;
    evidence.routers[0].drop = drop(100, "NETFILTER_DROP");
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::yes);
    CHECK(limited(verdict, 0));
    CHECK(verdict.notes == std::vector<std::string>{"rate-limited"});
}

TEST_CASE("verdict: passed first and stopped at the second try is YES too") {
    const auto plan = chain(2);
    auto evidence = tried_twice(plan);
    passes(evidence, 0, 100);
    evidence.routers[0].in.packets = 2;
    evidence.routers[0].in.last = instant(300);
    evidence.routers[0].drop = drop(301, "NETFILTER_DROP");
    evidence.routers[1].in = seen(110, 1);
    evidence.routers[1].drop = drop(111, "NETFILTER_DROP");
    const auto verdict = told(plan, evidence);
    CHECK(verdict.walk[0].answer.result == Verdict::yes);
    CHECK(verdict.walk[1].answer.result == Verdict::no);
    CHECK(verdict.stopped_at == "r2");
    evidence.routers[1] = {};
    CHECK(told(plan, evidence).walk[0].answer.result == Verdict::yes);
}

TEST_CASE("verdict: each of two copies dropped behind the egress tap is NO") {
    const auto plan = chain(1);
    auto evidence = tried_twice(plan);
    passes(evidence, 0, 100);
    evidence.routers[0].in.packets = evidence.routers[0].out.packets = 2;
    evidence.routers[0].drop = drop(400, "QDISC_DROP");
    evidence.routers[0].drop.count = 2;
    CHECK(told(plan, evidence).result == Verdict::no);
    evidence.routers[0].drop.count = 1;
    CHECK(told(plan, evidence).result == Verdict::yes);
}

TEST_CASE("verdict: accepted by the router itself at the second try is YES") {
    const auto plan = chain(1, true);
    auto evidence = tried_twice(plan);
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].in.packets = 2;
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    CHECK(told(plan, evidence).result == Verdict::yes);
    evidence.routers[0].drop.count = 2;
    CHECK(told(plan, evidence).result == Verdict::no);
}

TEST_CASE("verdict: stopped by a limit and not tried again is UNKNOWN") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    evidence.undecided = true;
    evidence.routers[0].in = seen(100, 1);
    evidence.routers[0].drop = drop(101, "NETFILTER_DROP");
    const auto verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "lost");
    CHECK(verdict.why.starts_with("r1: its firewall limits rates"));
    CHECK(limited(verdict, 0));
    CHECK(verdict.stopped_at.empty());
}
