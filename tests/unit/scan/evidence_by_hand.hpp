// SPDX-License-Identifier: BSD-2-Clause
// Plans and evidence made by hand, for the judge.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "ksms/abi.h"
#include "scan/evidence.hpp"
#include "scan/plan.hpp"

namespace ksms::test {

inline Netns named(const std::string& name) {
    auto netns = Netns::open_path("/proc/self/ns/net", name);
    REQUIRE(netns);
    return std::move(*netns);
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
    sighting.first_ns = sighting.last_ns = at;
    sighting.ifindex = ifindex;
    sighting.seen_dscp = 33;
    return sighting;
}

inline DropEvidence drop(std::uint64_t at, const char* reason, bool no_socket = false) {
    DropEvidence result;
    result.count = 1;
    result.at_ns = at;
    result.reason = reason;
    result.place = "somewhere";
    result.hook = KSMS_HOOK_FORWARD;
    result.no_socket = no_socket;
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

}  // namespace ksms::test
