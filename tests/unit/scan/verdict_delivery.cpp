// SPDX-License-Identifier: BSD-2-Clause
// Answers, rejections, deliveries and refusing routes: what the judge makes of them.
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "evidence_by_hand.hpp"
#include "scan/answer_text.hpp"
#include "scan/changes.hpp"
#include "scan/verdict.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

using Notes = std::vector<std::string>;

ProbeEvidence dropped_at_first(const Plan& plan, const char* reason, const char* answer) {
    auto evidence = nothing(plan);
    evidence.routers[0].in = seen(100, 1);
    if (reason != nullptr) evidence.routers[0].drop = drop(101, reason);
    evidence.routers[0].answer = answer;
    return evidence;
}

}  // namespace

TEST_CASE("answer: names as iptables has them") {
    CHECK(answer_name(KSMS_ANSWER_NONE, AF_INET, 3, 3).empty());
    CHECK(answer_name(KSMS_ANSWER_RESET, AF_INET, 0, 0) == "tcp-reset");
    CHECK(answer_name(KSMS_ANSWER_SYN_ACK, AF_INET6, 0, 0) == "tcp-syn-ack");
    CHECK(answer_name(KSMS_ANSWER_ICMP, AF_INET, 3, 13) == "icmp-admin-prohibited");
    CHECK(answer_name(KSMS_ANSWER_ICMP, AF_INET6, 1, 1) == "icmp6-adm-prohibited");
    CHECK(answer_name(KSMS_ANSWER_ICMP, AF_INET6, 3, 3) == "icmp6-3-3");
    CHECK(answer_name(KSMS_ANSWER_ICMP, AF_INET, 12, 1) == "icmp-12-1");
}

TEST_CASE("verdict: rejected is a firewall's drop with an answer, and nothing else") {
    const auto plan = chain(2);
    struct Row {
        const char *reason, *answer;
        bool rejected;
    };
    for (const auto& [reason, answer, rejected] :
         {Row{"NETFILTER_DROP", "tcp-reset", true}, Row{"NETFILTER_DROP", "", false},
          Row{"NETFILTER_DROP", "tcp-syn-ack", false}, Row{"NETFILTER_DROP", "icmp-3-99", true},
          Row{"IP_INNOROUTES", "icmp-net-unreachable", false},
          Row{"IP_INHDR", "icmp-ttl-exceeded", false}, Row{nullptr, "tcp-reset", true},
          Row{nullptr, "icmp-port-unreachable", true}, Row{nullptr, "icmp-host-unreachable", false},
          Row{nullptr, "", false}}) {
        INFO((reason == nullptr ? "no reason" : reason) << ", " << answer);
        const auto evidence = dropped_at_first(plan, reason, answer);
        const auto verdict = judge(plan, 0, 0, evidence, {});
        CHECK(verdict.result == Verdict::no);
        CHECK(verdict.notes == (rejected ? Notes{"rejected"} : Notes{}));
        CHECK(verdict.answer == answer);
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
    evidence.routers[1].drop = drop(201, "");
    evidence.routers[1].drop.place = "ip_error";
    CHECK(judge(plan, 0, 0, evidence, {}).why == "r2: route is blackhole (10.2.0.0/16)");
    evidence.routers[1].drop.reason = "IP_INNOROUTES";
    CHECK(judge(plan, 0, 0, evidence, {}).why ==
          "r2: route is blackhole (10.2.0.0/16) (IP_INNOROUTES)");
    evidence.routers[1].drop.reason = "NETFILTER_DROP";
    CHECK(judge(plan, 0, 0, evidence, {}).why == "r2: firewall, FORWARD (NETFILTER_DROP)");
    evidence.routers[1].drop = {};
    CHECK(judge(plan, 0, 0, evidence, {}).why ==
          "r2: came in and did not go out; its route is blackhole (10.2.0.0/16)");
}

TEST_CASE("verdict: at the router that is the destination, drops and answers tell") {
    const auto plan = chain(1, true);
    JudgeContext blind;
    blind.drops_seen = false;
    auto taken = dropped_at_first(plan, nullptr, "tcp-syn-ack");
    auto verdict = judge(plan, 0, 0, taken, blind);
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.why == "r1: accepted, a socket took it");
    CHECK(verdict.reached == true);
    auto refused = dropped_at_first(plan, "NETFILTER_DROP", "tcp-reset");
    verdict = judge(plan, 0, 0, refused, {});
    CHECK(verdict.result == Verdict::no);
    CHECK(verdict.reached == false);
    CHECK(verdict.notes == Notes{"local", "rejected"});
    auto again = dropped_at_first(plan, "NETFILTER_DROP", "");
    again.routers[0].in.last_ns = 500;  // it came once more, and was not dropped
    CHECK(judge(plan, 0, 0, again, {}).result == Verdict::yes);
    auto reset = dropped_at_first(plan, nullptr, "tcp-reset");
    verdict = judge(plan, 0, 0, reset, blind);  // a firewall's, or nobody's
    CHECK(verdict.result == Verdict::unknown);
    CHECK(verdict.reason == "lost");
}

TEST_CASE("verdict: the destination's own firewall makes no router's NO") {
    auto plan = chain(1);
    plan.destination_hosts.push_back(named("dst"));
    auto evidence = nothing(plan);
    passes(evidence, 0, 100);
    evidence.destination = seen(200, 1);
    auto verdict = judge(plan, 0, 0, evidence, {});
    CHECK(verdict.reached == true);
    CHECK(verdict.reached_why == "accepted, a socket took it");
    CHECK(verdict.why.empty());
    evidence.destination_drop = drop(201, "NETFILTER_DROP");
    evidence.destination_drop.hook = KSMS_HOOK_INPUT;
    evidence.destination_answer = "icmp-port-unreachable";
    verdict = judge(plan, 0, 0, evidence, {});
    CHECK(verdict.result == Verdict::yes);
    CHECK(verdict.reached == false);
    CHECK(verdict.why ==
          "dst itself dropped it: firewall, INPUT (NETFILTER_DROP), rejected: "
          "icmp-port-unreachable");
    evidence.destination_drop = drop(201, "NO_SOCKET", true);
    verdict = judge(plan, 0, 0, evidence, {});
    CHECK(verdict.reached == true);
    CHECK(verdict.reached_why == "accepted, nobody listens");
}

TEST_CASE("changes: in words") {
    CHECK(change_text("r1", "remarked:0") == "bleached at r1");
    CHECK(change_text("r1", "remarked:10") == "r1: remarked to dscp 10");
    CHECK(change_text("r1", "translated:[fd00::9]:80") == "r1: translated to [fd00::9]:80");
    CHECK(change_text("r1", "translated-source:10.1.1.1:9") ==
          "r1: source translated to 10.1.1.1:9");
    CHECK(change_text("r1", "local").empty());
}
