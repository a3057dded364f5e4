// SPDX-License-Identifier: BSD-2-Clause
// Plans and evidence made by hand, for the judge.
#pragma once

#include <netinet/in.h>

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "judge/evidence.hpp"
#include "judge/plan.hpp"
#include "judge/summary.hpp"
#include "judge/verdict.hpp"
#include "ksms/abi.h"
#include "output/words.hpp"

namespace ksms::test {

/// Each a namespace of its own.
inline PlanNetns named(const std::string& name) {
    static std::size_t number = 0;
    ++number;
    return {number, name, static_cast<std::uint32_t>(number)};
}

/// A chain src -> r1 -> r2 -> …, ingress ifindex 1 and egress ifindex 2 everywhere, one service.
inline Plan chain(std::size_t routers, bool last_is_local = false) {
    Plan plan;
    plan.entries.push_back({named("src"), {}, false});
    PlanPath path;
    for (std::size_t i = 0; i < routers; ++i) {
        PlanRouter router;
        router.netns = named("r" + std::to_string(i + 1));
        router.interfaces = {{1, "in0"}, {2, "out0"}, {3, "side0"}};
        plan.routers.push_back(std::move(router));
        const bool local = last_is_local && i + 1 == routers;
        path.hops.push_back(
            {i, {1, "in0"}, local ? PlanInterface{} : PlanInterface{2, "out0"}, local});
        if (i + 1 < routers) plan.next[{i, 2}] = {i + 1};
    }
    path.end = last_is_local ? PathEnd::local : PathEnd::destination;
    plan.paths.push_back(path);
    plan.path_of = {0};
    return plan;
}

inline Sighting seen(std::uint64_t at, std::uint32_t ifindex) {
    Sighting sighting;
    sighting.packets = 1;
    sighting.bytes = 60;
    sighting.first = sighting.last = instant(at);
    sighting.ifindex = ifindex;
    sighting.seen_dscp = 33;
    return sighting;
}

/// Of all drops here.
inline KernelWords& words() {
    static KernelWords all;
    return all;
}

inline Drop drop(std::uint64_t at, std::string_view reason, std::string_view place = "somewhere") {
    Drop result;
    result.count = 1;
    result.at = instant(at);
    result.reason = words().add(reason);
    result.place = words().add(place);
    result.is = classify_drop(reason, place);
    result.hook = KSMS_HOOK_FORWARD;
    return result;
}

inline ProbeEvidence nothing(const Plan& plan) {
    ProbeEvidence evidence;
    evidence.sent = 1;
    evidence.routers.resize(plan.routers.size());
    return evidence;
}

inline void passes(ProbeEvidence& evidence, std::size_t router, std::uint64_t at) {
    evidence.routers[router].in = seen(at, 1);
    evidence.routers[router].out = seen(at + 1, 2);
}

/// A verdict in words.
struct Told {
    struct Answer {
        Verdict result;
        std::string reason;
        std::vector<std::string> notes;
        bool stopped_before;
    };
    struct Row {
        std::size_t router;
        Answer answer;
    };
    std::vector<Row> walk;
    Verdict result;
    std::string stopped_at, reason, why, hook, answer, reached_why;
    std::vector<std::string> notes;
    std::optional<bool> reached;
};

/// What people are told of this evidence.
inline Told told(const Plan& plan, const ProbeEvidence& evidence,
                 const JudgeContext& context = {}) {
    const std::vector<Service> services{{IPPROTO_TCP, 22}};
    const auto verdict = judge(plan, 0, 0, evidence, context);
    Summary summary(plan, services);
    summary.add(0, 0, verdict, evidence.sent);
    Report report;
    summary.finish(words(), report);
    const auto& service = report.services.front();
    Told result;
    result.result = service.result;
    result.stopped_at = stopped_at(report, service);
    result.reason = reason_text(report, service);
    result.why = why_text(report, service);
    result.notes = notes_text(report, service);
    if (service.result == Verdict::no) {
        result.hook = hook_name(service.cause.dropped.hook);
        result.answer = reply_text(service.cause.reply);
    }
    if (service.arrival.known()) result.reached = service.arrival.reached;
    result.reached_why = arrival_text(report, service);
    for (const auto& row : verdict.walk) {
        auto answer = row.answer;
        for (const auto& router : report.routers)
            if (router.name == plan.routers[row.router].netns.name()) answer = router.services[0];
        result.walk.push_back({row.router,
                               {answer.result, reason_text(report, answer),
                                notes_text(report, answer), answer.stopped_before()}});
    }
    return result;
}

}  // namespace ksms::test
