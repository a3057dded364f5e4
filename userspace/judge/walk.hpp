// SPDX-License-Identifier: BSD-2-Clause
// The routers that one probe met, in order: the prediction, corrected by what the taps saw.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "judge/evidence.hpp"
#include "judge/plan.hpp"

namespace ksms {

struct WalkStep {
    std::size_t router{0};
    PlanInterface ingress, egress;  ///< as seen where it was seen, as predicted elsewhere
    bool local{false};              ///< predicted: the router itself is the destination
};

/// Follows the prediction as long as no tap contradicts it. Where the probe was seen on a router
/// that was not predicted (a mark, a translation or the DSCP led it another way), the routers come
/// in the order in which they saw it, and the prediction goes on behind the last of them where it
/// can.
std::vector<WalkStep> walk(const Plan& plan, std::size_t entry, const PlanPath& path,
                           const ProbeEvidence& evidence);

/// The name of the interface that a step leaves by, as the plan has it, which outlives the verdict.
[[nodiscard]] std::string_view egress_name(const Plan& plan, const PlanPath& path,
                                           const WalkStep& step);

/// Did a probe that both saw get from one to the other by a way that the plan does not know?
/// Routers without taps may be on it.
[[nodiscard]] bool has_gap(const Plan& plan, const PlanPath& path, const ProbeEvidence& evidence,
                           const WalkStep& from, const WalkStep& to);

/// Did any router but this one see it? What was injected here passed this one then.
[[nodiscard]] bool seen_beside(const ProbeEvidence& evidence, std::size_t router);

}  // namespace ksms
