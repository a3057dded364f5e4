// SPDX-License-Identifier: BSD-2-Clause
// The stage that judges: evidence -> verdicts -> report.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "judge/summary.hpp"
#include "judge/verdict.hpp"
#include "registry/record.hpp"
#include "route/next_hop.hpp"
#include "scan/judge_context.hpp"
#include "scan/stages.hpp"

namespace ksms {
namespace {

/// A tap that somebody took away meanwhile would turn into a false verdict.
/// @return for each router of the plan "" or what is missing
Result<std::vector<std::string>> broken_routers(const Plan& plan, const Tapped& tapped) {
    const auto& slots = tapped.slots;
    KSMS_TRY(const auto missing, tapped.routers.missing(slots.routers));
    std::vector<std::string> broken(plan.routers.size());
    for (std::size_t i = 0; i < missing.size(); ++i)
        for (std::size_t router = 0; router < plan.routers.size(); ++router)
            if (slots.router_slots[router] == slots.routers_tap_slots[i])
                broken[router] = missing[i];
    return broken;
}

/// Judges probes one after the other: 65,535 of them never stand in memory with their evidence.
class Judging {
public:
    Judging(const Plan& plan, const std::vector<Service>& services, const Collector& collector,
            const SendRecord& sent, const CloserEvidence& closer)
        : plan_(plan),
          collector_(collector),
          sent_(sent),
          closer_(closer),
          summary_(plan, services) {}

    /// @return those whose verdict waits for the network's answers; the others are in the summary
    std::vector<std::uint32_t> judge_these(const std::vector<std::uint32_t>& probes,
                                           const JudgeContext& context,
                                           std::set<NetworkQuestion>& questions) {
        std::vector<std::uint32_t> open;
        for (const auto probe : probes) {
            collect(probe);
            const auto entry = plan_.numbers().entry(probe),
                       service = plan_.numbers().service(probe);
            const auto verdict = judge(plan_, entry, service, evidence_, context);
            questions.insert(verdict.open.begin(), verdict.open.end());
            if (verdict.open.empty())
                summary_.add(entry, service, verdict, evidence_.sent);
            else
                open.push_back(probe);
        }
        return open;
    }

    [[nodiscard]] Report finish(const KernelWords& words) {
        Report report;
        summary_.finish(words, report);
        return report;
    }

private:
    void collect(std::uint32_t probe) {
        const auto closer = closer_.probes.find(probe);
        if (closer == closer_.probes.end()) {
            collector_.collect(probe, evidence_);
            sent_.tell(evidence_);
        } else {
            evidence_ = closer->second;
        }
        evidence_.out_of_looks = std::ranges::binary_search(closer_.not_looked_at, probe);
    }

    const Plan& plan_;
    const Collector& collector_;
    const SendRecord& sent_;
    const CloserEvidence& closer_;
    Summary summary_;
    ProbeEvidence evidence_;
};

Status answer(const std::set<NetworkQuestion>& questions, DetourLook& detours,
              NextHopLook& next_hops, NetworkAnswers& answers) {
    for (const auto& question : questions) {
        const bool silent = question.what == NetworkQuestion::What::silent;
        KSMS_TRY(const bool yes, silent ? next_hops.is_silent(question.departure)
                                        : detours.leads_to_unwatched(question.departure));
        answers[question] = yes;
    }
    return {};
}

std::vector<std::uint32_t> probes_of(const Plan& plan) {
    std::vector<std::uint32_t> probes;
    probes.reserve(plan.path_of.size());
    for (std::uint32_t probe = 0; probe < plan.path_of.size(); ++probe)
        if (!plan.paths[plan.path_of[probe]].elsewhere) probes.push_back(probe);
    return probes;
}

void describe(const Round& round, const Plan& plan, const ScanLease& lease, const Tapped& tapped,
              const SendRecord& sent, const JudgeContext& context, Report& report) {
    report.source = round.request.source;
    report.destination = round.request.destination;
    if (plan.isolated) report.mode = "isolated";
    report.job = job_of(lease.lease().record);
    report.dscp = lease.dscp();
    report.carried_dscp = context.dscp;
    for (const auto* warnings : {&plan.warnings, &tapped.warnings, &sent.warnings})
        std::ranges::copy(*warnings, std::back_inserter(report.warnings));
    if (sent.interrupted) {
        report.state = ScanState::interrupted;
    } else if (sent.out_of_time) {
        report.state = ScanState::partial;
        report.warnings.emplace_back("the deadline expired before every probe was accounted for");
    }
    for (std::size_t i = 0; i < context.broken_routers.size(); ++i) {
        if (context.broken_routers[i].empty()) continue;
        report.state = sent.interrupted ? ScanState::interrupted : ScanState::partial;
        report.warnings.push_back(fmt::format("{}: {}; what it counted before is judged",
                                              plan.routers[i].netns.name(),
                                              context.broken_routers[i]));
    }
}

}  // namespace

Result<Judged> judge_probes(const Round& round, const Planned& planned, const ScanLease& lease,
                            const Tapped& tapped, const Probed& probed, KernelNames& names) {
    const auto& plan = planned.plan;
    const auto& sent = probed.sent;
    round.tell("judge", plan.path_of.size(), sent.packets, plan.path_of.size() - sent.unaccounted);
    auto context = context_beforehand(plan, probed.neighbours, planned.carried,
                                      static_cast<bool>(tapped.drops));
    context.assume_next_hop = round.request.assumes_next_hop();
    context.interrupted = sent.interrupted;
    context.out_of_time = sent.out_of_time;
    context.accepted_seen = probed.closer.accepted_seen;
    for (const auto slot : tapped.slots.router_slots)
        context.taps_before_neighbours.push_back(
            is_netfilter(tapped.slots.store[slot].taps.egress));
    KSMS_TRY(context.broken_routers, broken_routers(plan, tapped));

    const auto source_port = probed.store.header().source_port;
    DetourLook detours(*planned.network, plan, round.request, source_port, round.detours);
    NextHopLook next_hops(*planned.network, plan, round.request, source_port);
    const auto frozen = probed.store.freeze(plan.path_of.size());
    const Collector collector(plan, tapped.slots, probed.store, names);
    Judging judging(plan, round.request.services, collector, sent, probed.closer);
    // An answer can make another question worth asking; each probe has two at most.
    for (auto probes = probes_of(plan); !probes.empty();) {
        std::set<NetworkQuestion> questions;
        probes = judging.judge_these(probes, context, questions);
        KSMS_CHECK(answer(questions, detours, next_hops, context.answers));
    }
    Judged judged{judging.finish(names.words()), detours.take(), context.cut_short()};
    describe(round, plan, lease, tapped, sent, context, judged.report);
    judged.report.trails = probed.closer.trails;
    return judged;
}

}  // namespace ksms
