// SPDX-License-Identifier: BSD-2-Clause
// Verdicts from the way of one packet, and when counters are enough.
#include "judge/closer.hpp"

#include <catch2/catch.hpp>

#include "judge/plain.hpp"
#include "trail_by_hand.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

const SentAs kSent{33, {}, {}};

/// What is told of this trail.
Told told_of(const Plan& plan, const Trail& trail, const JudgeContext& context = {}) {
    auto evidence = nothing(plan);
    look_closer(plan, 0, kSent, own_way(trail, origin_of(plan, 0)), evidence);
    return told(plan, evidence, context);
}

JudgeContext accepted_seen() {
    JudgeContext context;
    context.accepted_seen = true;
    return context;
}

}  // namespace

TEST_CASE("closer: a mirror beside a dead gateway is no way on") {
    const auto plan = chain(1);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).out(7, r1, 3, 1).dropped(1, r1, "NEIGH_FAILED");
    const auto told = told_of(plan, made.trail);
    CHECK(told.result == Verdict::unknown);
    CHECK(told.reason == "not_sent:next-hop-missing");
}

TEST_CASE("closer: dropped below the device that its route names") {
    const auto plan = chain(1);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;  // macvlan out0 over side0
    made.out(1, src).by_socket().in(1, r1).out(1, r1, 2).dropped(1, r1, "TC_EGRESS");
    CHECK(told_of(plan, made.trail).result == Verdict::no);
    made = {};
    made.out(1, src).by_socket().in(1, r1).out(1, r1, 2).out(1, r1, 3);
    CHECK(told_of(plan, made.trail).result == Verdict::yes);
}

TEST_CASE("closer: what comes in in another packet is as it was when that was put around it") {
    const auto plan = chain(2);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns,
               &r2 = plan.routers[1].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).out(1, r1, 3).out(1, r1).in(1, r2, 3).in(1, r2);
    made.out(1, r2);
    for (std::size_t i = 2; i < made.trail.size(); ++i) made.trail[i].dscp = 31;
    made.trail[3].wrapped = made.trail[4].wrapped = true;  // by a tunnel
    const auto told = told_of(plan, made.trail);
    CHECK(told.walk[0].answer.notes == std::vector<std::string>{"remarked:31"});
    CHECK(told.walk[1].answer.notes.empty());
}

TEST_CASE("closer: a host that takes no tunnel's packet apart has not got what is in it") {
    auto plan = chain(1);
    plan.destination_hosts = {named("dst")};
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns,
               &dst = plan.destination_hosts[0];
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).out(1, r1).in(1, dst).dropped(1, dst, "NO_SOCKET");
    made.trail[2].wrapped = made.trail[3].wrapped = made.trail[4].wrapped = true;
    CHECK(told_of(plan, made.trail).reached == false);
    made.trail.pop_back();
    made.in(1, dst, 2).accepted(1, dst);
    CHECK(told_of(plan, made.trail).reached == true);
}

TEST_CASE("closer: a router that is passed twice stops nothing") {
    const auto plan = chain(2);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns,
               &r2 = plan.routers[1].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).out(1, r1, 3).in(1, r2).out(1, r2, 1);
    made.in(1, r1, 3).out(1, r1).in(1, r2).out(1, r2);
    const auto told = told_of(plan, made.trail);
    CHECK(told.result == Verdict::yes);
    for (const auto& row : told.walk) CHECK(row.answer.result == Verdict::yes);
}

TEST_CASE("closer: silence at the destination's router is no socket that took it") {
    const auto plan = chain(1, true);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1);
    const auto held = told_of(plan, made.trail, accepted_seen());
    CHECK(held.result == Verdict::unknown);
    CHECK(held.reason == "held");
    // Where no event says that it was accepted (before Linux 6.4), it may be in a socket or waits
    // for a neighbour.
    CHECK(told_of(plan, made.trail).reason == "held");
    made.accepted(1, r1);
    CHECK(told_of(plan, made.trail, accepted_seen()).result == Verdict::yes);
}

TEST_CASE("closer: what carried the packet to the destination's router is not the packet") {
    const auto plan = chain(1, true);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).accepted(1, r1);
    made.trail[1].wrapped = made.trail[2].wrapped = true;
    const auto lost = told_of(plan, made.trail, accepted_seen());
    CHECK(lost.result == Verdict::unknown);
    CHECK(lost.reason == "held");
    made.in(1, r1);
    CHECK(told_of(plan, made.trail, accepted_seen()).reason == "held");
    made.accepted(1, r1);
    CHECK(told_of(plan, made.trail, accepted_seen()).result == Verdict::yes);
}

TEST_CASE("closer: what a router takes in the destination's place is not stopped") {
    const auto plan = chain(2);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).accepted(1, r1);
    const auto told = told_of(plan, made.trail, accepted_seen());
    CHECK(told.result == Verdict::unknown);
    CHECK(told.reason == "redirected");
    CHECK(told.notes == std::vector<std::string>{"redirected"});
}

TEST_CASE("closer: what is still in a queue is held") {
    const auto plan = chain(1);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1);
    const auto told = told_of(plan, made.trail);
    CHECK(told.result == Verdict::unknown);
    CHECK(told.reason == "held");
}

TEST_CASE("plain: in and out as planned, or dropped in between") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    passes(evidence, 1, 200);
    CHECK(is_plain(plan, 0, evidence));
    evidence.routers[1].out = {};
    CHECK_FALSE(is_plain(plan, 0, evidence));  // silence
    evidence.routers[1].drop = drop(300, "NETFILTER_DROP");
    CHECK(is_plain(plan, 0, evidence));
    evidence.routers[1].drop = drop(300, "QDISC_DROP");
    CHECK_FALSE(is_plain(plan, 0, evidence));  // the next one may pass
}

TEST_CASE("plain: a copy, another interface, a drop too many are not") {
    const auto plan = chain(2);
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    passes(evidence, 1, 200);
    auto other = evidence;
    other.routers[0].out.packets = 2;  // it left twice
    CHECK_FALSE(is_plain(plan, 0, other));
    other = evidence;
    other.routers[1].out.ifindex = 3;  // a mirror
    CHECK_FALSE(is_plain(plan, 0, other));
    other = evidence;
    other.routers[0].drop = drop(150, "PACKET_SOCK_ERROR");
    CHECK_FALSE(is_plain(plan, 0, other));
    other = evidence;
    other.segment_drop = drop(150, "NETFILTER_DROP");
    CHECK_FALSE(is_plain(plan, 0, other));
}

TEST_CASE("plain: at the destination's router only what answers or is refused") {
    const auto plan = chain(1, true);
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    CHECK_FALSE(is_plain(plan, 0, evidence));
    auto other = evidence;
    other.routers[0].reply = {Reply::Kind::tcp_syn_ack, 0, 0};
    CHECK(is_plain(plan, 0, other));
    other = evidence;
    other.routers[0].drop = drop(101, "NO_SOCKET");
    CHECK(is_plain(plan, 0, other));
    other.routers[0].drop = drop(101, "PACKET_SOCK_ERROR");
    CHECK_FALSE(is_plain(plan, 0, other));
}

TEST_CASE("closer: a gateway that nobody has, assumed to be there") {
    const auto plan = chain(1);
    const auto &src = plan.entries[0].netns, &r1 = plan.routers[0].netns;
    TrailMaker made;
    made.out(1, src).by_socket().in(1, r1).routed(1, r1).dropped(1, r1, "QUEUE_PURGE");
    JudgeContext context = accepted_seen();
    CHECK(told_of(plan, made.trail, context).reason == "not_sent:next-hop-missing");
    context.assume_next_hop = true;
    const auto told = told_of(plan, made.trail, context);
    CHECK(told.result == Verdict::yes);
    CHECK(told.notes == std::vector<std::string>{"next-hop-missing"});
    made = {};
    made.out(1, src).by_socket().in(1, r1).dropped(1, r1, "NETFILTER_DROP");
    CHECK(told_of(plan, made.trail, context).result == Verdict::no);
}
