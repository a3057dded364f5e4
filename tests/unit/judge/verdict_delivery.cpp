// SPDX-License-Identifier: BSD-2-Clause
// Answers, rejections, deliveries and refusing routes: what the judge makes of them.
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "evidence_by_hand.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

using Words = std::vector<std::string>;

constexpr Reply kNone{}, kReset{Reply::Kind::tcp_reset, 0, 0},
    kSynAck{Reply::Kind::tcp_syn_ack, 0, 0};

constexpr Reply icmp(std::uint8_t type, std::uint8_t code) {
    return {Reply::Kind::icmp, type, code};
}

ProbeEvidence dropped_at_first(const Plan& plan, const char* reason, const Reply& reply) {
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    if (reason != nullptr) evidence.routers[0].drop = drop(101, reason);
    evidence.routers[0].reply = reply;
    return evidence;
}

}  // namespace

TEST_CASE("answer: names as iptables has them") {
    const auto name = [](std::uint8_t answer, int family, std::uint8_t type, std::uint8_t code) {
        return reply_text(reply_of(answer, family, type, code));
    };
    CHECK(name(KSMS_ANSWER_NONE, AF_INET, 3, 3).empty());
    CHECK(name(KSMS_ANSWER_RESET, AF_INET, 0, 0) == "tcp-reset");
    CHECK(name(KSMS_ANSWER_SYN_ACK, AF_INET6, 0, 0) == "tcp-syn-ack");
    CHECK(name(KSMS_ANSWER_ICMP, AF_INET, 3, 13) == "icmp-admin-prohibited");
    CHECK(name(KSMS_ANSWER_ICMP, AF_INET6, 1, 1) == "icmp6-adm-prohibited");
    CHECK(name(KSMS_ANSWER_ICMP, AF_INET6, 3, 3) == "icmp6-3-3");
    CHECK(name(KSMS_ANSWER_ICMP, AF_INET, 12, 1) == "icmp-12-1");
}

TEST_CASE("verdict: rejected is a firewall's drop with an answer, and nothing else") {
    const auto plan = chain(2);
    struct Row {
        const char* reason;
        Reply reply;
        bool rejected;
    };
    for (const auto& [reason, reply, rejected] :
         {Row{"NETFILTER_DROP", kReset, true}, Row{"NETFILTER_DROP", kNone, false},
          Row{"NETFILTER_DROP", kSynAck, false}, Row{"NETFILTER_DROP", icmp(3, 99), true},
          Row{"IP_INNOROUTES", icmp(3, 0), false}, Row{"IP_INHDR", icmp(11, 0), false},
          Row{nullptr, kReset, true}, Row{nullptr, icmp(3, 3), true},
          Row{nullptr, icmp(3, 1), false}, Row{nullptr, kNone, false}}) {
        INFO((reason == nullptr ? "no reason" : reason) << ", " << reply_text(reply));
        const auto evidence = dropped_at_first(plan, reason, reply);
        const auto verdict = told(plan, evidence);
        CHECK(verdict.result == Verdict::no);
        CHECK(verdict.notes == (rejected ? Words{"rejected"} : Words{}));
        CHECK(verdict.answer == reply_text(reply));
        CHECK((verdict.why.find("rejected: ") != std::string::npos) == rejected);
    }
}

TEST_CASE("verdict: a refusing route is named where the routing decision dropped it") {
    auto plan = chain(2);
    plan.paths[0].end = PathEnd::refused;
    plan.paths[0].refusal = "blackhole (10.2.0.0/16)";
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    evidence.routers[1].in = seen(200, 1);
    evidence.routers[1].drop = drop(201, "", "ip_error");
    CHECK(told(plan, evidence).why == "r2: route is blackhole (10.2.0.0/16)");
    evidence.routers[1].drop = drop(201, "IP_INNOROUTES");
    CHECK(told(plan, evidence).why == "r2: route is blackhole (10.2.0.0/16) (IP_INNOROUTES)");
    evidence.routers[1].drop = drop(201, "NETFILTER_DROP");
    CHECK(told(plan, evidence).why == "r2: firewall, FORWARD (NETFILTER_DROP)");
    evidence.routers[1].drop = {};
    CHECK(told(plan, evidence).why ==
          "r2: came in and did not go out; its route is blackhole (10.2.0.0/16)");
}

TEST_CASE("verdict: at the router that is the destination, drops and answers tell") {
    const auto plan = chain(1, true);
    JudgeContext blind;
    blind.drops_seen = false;
    auto taken = dropped_at_first(plan, nullptr, kSynAck);
    auto verdict = told(plan, taken, blind);
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.why == "r1: accepted, a socket took it");
    CHECK(verdict.reached == true);
    auto refused = dropped_at_first(plan, "NETFILTER_DROP", kReset);
    verdict = told(plan, refused);
    CHECK(verdict.result == Verdict::no);
    CHECK(verdict.reached == false);
    CHECK(verdict.notes == Words{"local", "rejected"});
    auto again = dropped_at_first(plan, "NETFILTER_DROP", kNone);
    again.routers[0].in.last = instant(500);  // it came once more, and was not dropped
    CHECK(told(plan, again).result == Verdict::yes);
    auto reset = dropped_at_first(plan, nullptr, kReset);
    verdict = told(plan, reset, blind);  // a firewall's, or nobody's
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "lost");
}

TEST_CASE("verdict: the destination's own firewall makes no router's NO") {
    auto plan = chain(1);
    plan.destination_hosts.push_back(named("dst"));
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    evidence.destination = seen(200, 1);
    auto verdict = told(plan, evidence);
    CHECK(verdict.reached == true);
    CHECK(verdict.reached_why == "accepted, a socket took it");
    CHECK(verdict.why.empty());
    evidence.destination_drop = drop(201, "NETFILTER_DROP");
    evidence.destination_drop.hook = KSMS_HOOK_INPUT;
    evidence.destination_reply = icmp(3, 3);
    verdict = told(plan, evidence);
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.reached == false);
    CHECK(verdict.why ==
          "dst itself dropped it: firewall, INPUT (NETFILTER_DROP), rejected: "
          "icmp-port-unreachable");
    evidence.destination_drop = drop(201, "NO_SOCKET");
    verdict = told(plan, evidence);
    CHECK(verdict.reached == true);
    CHECK(verdict.reached_why == "accepted, nobody listens");
}

TEST_CASE("changes: in words") {
    const auto plan = chain(1);
    auto evidence = nothing(plan);
    const auto why = [&] { return told(plan, evidence).why; };
    passes(evidence, 0, 100);
    auto& out = evidence.routers[0].out;
    out.seen_dscp = 0;
    CHECK(why() == "bleached at r1");
    out.seen_dscp = 10;
    CHECK(why() == "r1: remarked to dscp 10");
    out.seen_dscp = evidence.routers[0].in.seen_dscp;
    out.translated = out.destination_translated = true;
    out.destination = *Address::parse("fd00::9");
    out.destination_port = 80;
    CHECK(why() == "r1: translated to [fd00::9]:80");
    out.destination_translated = false;
    out.source_translated = true;
    out.source = *Address::parse("10.1.1.1");
    out.source_port = 9;
    CHECK(why() == "r1: source translated to 10.1.1.1:9");
    CHECK(told(plan, evidence).notes == Words{"translated-source:10.1.1.1:9"});
}
