// SPDX-License-Identifier: BSD-2-Clause
// Where counters alone do not prove a verdict, one packet is sent alone and followed.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "evidence/collector.hpp"
#include "evidence/store.hpp"
#include "evidence/trail_recorder.hpp"
#include "judge/closer.hpp"
#include "judge/evidence.hpp"
#include "judge/own_way.hpp"
#include "judge/plan.hpp"
#include "judge/report.hpp"
#include "judge/verdict.hpp"
#include "probe/sender.hpp"
#include "retry/limits.hpp"
#include "retry/retry.hpp"
#include "route/network.hpp"

namespace ksms {

/// What the looks have found.
struct CloserEvidence {
    std::map<std::uint32_t, ProbeEvidence> probes;
    std::vector<std::uint32_t> not_looked_at;  ///< for want of time; sorted
    std::vector<ProbeTrail> trails;
    bool accepted_seen{false};  ///< see JudgeContext
};

class CloseLook {
public:
    /// Everything outlives it.
    struct With {
        const Objects& objects;
        const Plan& plan;
        const Network& network;
        const ScanStore& store;
        const Collector& collector;
        KernelNames& names;
        Sender& sender;
        const Patience& patience;
        const JudgeContext& context;
        const std::function<bool()>& stopped;
        const std::function<void()>& clear_connections;  ///< that our probes have left
    };
    CloseLook(const With& with, SendRecord& sent) : with_(with), sent_(sent) {}

    /// Sends each of these once, and follows it.
    /// @return those of which that tells nothing
    Result<std::vector<std::uint32_t>> run_first(const std::vector<std::uint32_t>& probes);
    /// At what was sent in this turn, before anything of the next one is.
    Status run(Turn turn);
    /// Once, in the end.
    [[nodiscard]] CloserEvidence take();

private:
    /// Probes whose counters tell the same story.
    struct Class {
        ProbeVerdict verdict;  ///< of its first one, by the counters
        std::vector<std::uint32_t> probes;
        std::size_t looked_at{0};  ///< of the first ones
    };
    [[nodiscard]] ProbeEvidence counted(std::uint32_t probe) const;
    [[nodiscard]] ProbeVerdict judged(std::uint32_t probe, const ProbeEvidence& evidence) const;
    void sort_into_classes(Turn turn);
    Status look_at_samples();
    Status look_at_the_rest();
    Status look_at(const std::vector<std::uint32_t>& probes);
    Status send(std::uint32_t for_probe);
    Result<TrailRecorder> start();
    [[nodiscard]] std::uint32_t packet_of(std::uint32_t probe) const;
    void be_quiet_until(Instant until) const;
    Status wait_for(std::uint32_t probe, Instant until);
    Status wait_for_all(const std::vector<std::uint32_t>& probes, Instant until);
    [[nodiscard]] OwnWay way_of(std::uint32_t probe) const;
    [[nodiscard]] bool leads_to_missing_gateway(std::uint32_t probe) const;
    [[nodiscard]] bool is_settled(std::uint32_t probe) const;
    [[nodiscard]] std::optional<LimitWait> stopped_by_limit(std::uint32_t probe) const;
    Status try_below_limits(const std::vector<std::uint32_t>& probes);
    [[nodiscard]] bool deserves_another(std::uint32_t probe) const;
    void take(std::uint32_t probe);
    [[nodiscard]] bool is_told_otherwise(std::uint32_t probe, const ProbeVerdict& counted) const;
    [[nodiscard]] SentAs sent_as(std::uint32_t probe) const;

    const With with_;
    SendRecord& sent_;
    std::vector<Class> classes_;
    std::size_t probes_{0};  ///< of all classes
    /// Isolated: the earlier router's probe that is sent in place of this one (see Arrivals).
    std::map<std::uint32_t, std::uint32_t> given_;
    TrailRecorder* recorder_{nullptr};
    Instant started_, last_sent_, heard_;
    std::set<std::uint32_t> undecided_;  ///< see ProbeEvidence
    CloserEvidence found_;
};

}  // namespace ksms
