// SPDX-License-Identifier: BSD-2-Clause
#include "judge/summary.hpp"

#include <catch2/catch.hpp>

#include "output/words.hpp"

using namespace ksms;

namespace {

PlanNetns unnumbered(const std::string& name) {
    return {0, name, 0};
}

Plan two_entries_two_routers() {
    Plan plan;
    for (const auto* name : {"a", "b"}) plan.entries.push_back({unnumbered(name), {}, false});
    for (const auto* name : {"r1", "r2"}) {
        PlanRouter router;
        router.netns = unnumbered(name);
        plan.routers.push_back(std::move(router));
    }
    return plan;
}

ProbeVerdict passing(std::vector<std::pair<std::size_t, std::string>> routers) {
    ProbeVerdict verdict;
    verdict.result = Verdict::yes;
    std::uint32_t hop = 0;
    for (auto& [router, egress] : routers) {
        ProbeVerdict::AtRouter row;
        row.router = router;
        row.hop = ++hop;
        row.egress_iface = egress;
        row.ingress_iface = "in0";
        row.answer.result = Verdict::yes;
        verdict.walk.push_back(std::move(row));
    }
    return verdict;
}

ProbeVerdict dropped_at(std::uint16_t router) {
    ProbeVerdict no = passing({{router, ""}});
    no.result = no.walk[0].answer.result = Verdict::no;
    no.cause.why = Why::dropped;
    no.cause.router = RouterIndex{router};
    return no;
}

}  // namespace

TEST_CASE(
    "summary: a router stands once per entry, in path order, with the interface that most services "
    "took") {
    const auto plan = two_entries_two_routers();
    const std::vector<Service> services{{6, 22}, {6, 80}, {6, 443}};
    Summary summary(plan, services);
    summary.add(0, 0, passing({{1, "x"}, {0, "y"}}), 1);
    summary.add(0, 1, passing({{1, "x"}, {0, "y"}}), 1);
    summary.add(0, 2, passing({{1, "other"}}), 1);
    for (std::size_t i = 0; i < 3; ++i) summary.add(1, i, passing({{0, "z"}}), 1);
    Report report;
    summary.finish({}, report);
    REQUIRE(report.routers.size() == 3);
    CHECK(report.routers[0].name == "r2");
    CHECK(report.routers[0].iface == "x");
    CHECK(report.texts[report.routers[0].services[2].iface] == "other");
    CHECK(report.routers[0].services[0].iface == kNoText);
    CHECK(report.routers[1].name == "r1");
    CHECK_FALSE(report.routers[1].services[2].on_path);
    CHECK(report.routers[2].entry == "b");
    CHECK(report.router_count == 2);
    CHECK(report.yes == 3);
}

TEST_CASE("summary: entries with different answers are MIXED, and each keeps its own") {
    const auto plan = two_entries_two_routers();
    const std::vector<Service> services{{6, 22}, {6, 80}};
    Summary summary(plan, services);
    const auto no = dropped_at(0);
    ProbeVerdict lost = passing({{1, ""}});
    lost.result = lost.walk[0].answer.result = Verdict::unknown;
    lost.cause.why = Why::lost;
    lost.cause.router = RouterIndex{1};
    summary.add(0, 0, no, 1);
    summary.add(0, 1, passing({{0, "e"}}), 1);
    summary.add(1, 0, lost, 4);
    summary.add(1, 1, lost, 4);
    Report report;
    summary.finish({}, report);
    CHECK(report.entries == std::vector<std::string>{"a", "b"});
    CHECK(report.services[0].result == Verdict::mixed);
    CHECK(report.services[0].cause.why == Why::by_entry);
    CHECK(stopped_at(report, report.services[0]).empty());
    CHECK(report.services[0].sent == 4);
    CHECK(report.services[1].result == Verdict::mixed);
    CHECK(report.mixed == 2);
    CHECK(report.yes + report.no + report.unknown == 0);
    CHECK_FALSE(report.all_unknown());
    REQUIRE(report.by_entry.size() == 2);
    const auto &one = report.by_entry[0].services, &other = report.by_entry[1].services;
    CHECK(one[0].result == Verdict::no);
    CHECK(stopped_at(report, one[0]) == "r1");
    CHECK(one[0].sent == 1);
    CHECK(one[1].result == Verdict::yes);
    CHECK(other[0].result == Verdict::unknown);
    CHECK(other[0].cause.why == Why::lost);
}

TEST_CASE("summary: entries that agree have one result, and its reason where that is one too") {
    const auto plan = two_entries_two_routers();
    const std::vector<Service> services{{6, 22}, {6, 80}};
    Summary summary(plan, services);
    summary.add(0, 0, dropped_at(0), 1);
    summary.add(0, 1, dropped_at(0), 1);
    summary.add(1, 0, dropped_at(0), 1);
    summary.add(1, 1, dropped_at(1), 1);
    Report report;
    summary.finish({}, report);
    CHECK(report.no == 2);
    CHECK(stopped_at(report, report.services[0]) == "r1");
    CHECK(report.services[1].cause.why == Why::by_entry);
    CHECK(stopped_at(report, report.services[1]).empty());
}

TEST_CASE("summary: routers that answer for themselves are told of the source of their way") {
    auto plan = two_entries_two_routers();
    plan.isolated = true;
    plan.entries.push_back(plan.entries[0]);
    plan.entries[0].source = "x";
    plan.entries[1].source = plan.entries[2].source = "y";
    const std::vector<Service> services{{6, 22}, {6, 80}};
    Summary summary(plan, services);
    const auto no = dropped_at(0);
    for (std::size_t service = 0; service < 2; ++service) {
        summary.add(0, service, no, 1);
        summary.add(1, service, passing({{1, "e"}}), 1);
    }
    summary.add(2, 0, no, 1);
    Report report;
    summary.finish({}, report);
    CHECK(report.entries == std::vector<std::string>{"x", "y"});
    CHECK(report.services[0].result == Verdict::no);
    CHECK(report.services[1].result == Verdict::mixed);
    CHECK(report.by_entry[1].services[1].result == Verdict::yes);
    REQUIRE(report.routers.size() == 3);
    CHECK(report.routers[2].name == "r1");
    CHECK(report.routers[2].entry == "y");
    CHECK_FALSE(report.routers[2].services[1].on_path);
    CHECK(report.router_count == 2);
}

TEST_CASE("summary: the planned interface stands where no service has a verdict") {
    const auto plan = two_entries_two_routers();
    const std::vector<Service> services{{6, 22}};
    Summary summary(plan, services);
    auto stopped = passing({{0, "out0"}, {1, "planned"}});
    stopped.result = stopped.walk[0].answer.result = Verdict::no;
    stopped.walk[1].answer.result = Verdict::unknown;
    stopped.walk[1].answer.why = Why::stopped_before;
    stopped.walk[1].answer.stopped_by = RouterIndex{0};
    summary.add(0, 0, stopped, 1);
    Report report;
    summary.finish({}, report);
    REQUIRE(report.routers.size() == 2);
    CHECK(report.routers[1].iface == "planned");
    CHECK(report.routers[1].ingress_iface == "in0");
}

TEST_CASE("summary: --entry-only shows the first router of each way, --router those named") {
    auto plan = two_entries_two_routers();
    const std::vector<Service> services{{6, 22}, {6, 80}};
    plan.entry_only = true;
    {
        Summary summary(plan, services);
        summary.add(0, 0, passing({{0, "x"}, {1, "y"}}), 1);
        summary.add(0, 1, passing({{1, "y"}, {0, "x"}}), 1);
        Report report;
        summary.finish({}, report);
        REQUIRE(report.routers.size() == 2);
        for (std::size_t i = 0; i < 2; ++i)
            for (std::size_t service = 0; service < 2; ++service)
                CHECK(report.routers[i].services[service].on_path ==
                      ((report.routers[i].name == "r1") == (service == 0)));
    }
    plan.routers[0].wanted = false;
    Summary summary(plan, services);
    summary.add(0, 0, passing({{0, "x"}, {1, "y"}}), 1);
    summary.add(0, 1, passing({{1, "y"}, {0, "x"}}), 1);
    Report report;
    summary.finish({}, report);
    REQUIRE(report.routers.size() == 1);
    CHECK(report.routers[0].name == "r2");
    CHECK_FALSE(report.routers[0].services[0].on_path);
}
