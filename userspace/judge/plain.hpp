// SPDX-License-Identifier: BSD-2-Clause
// Do counters alone prove a verdict?
#pragma once

#include <cstdint>
#include <string>

#include "judge/evidence.hpp"
#include "judge/plan.hpp"
#include "judge/verdict.hpp"

namespace ksms {

/// The plain case: each router on the planned way counted the probe in by the planned interface and
/// out by the planned one, up to the end of the way or to a router that reported as many drops as
/// it did not send on; nobody else saw it or dropped it.
[[nodiscard]] bool is_plain(const Plan& plan, std::uint32_t probe, const ProbeEvidence& evidence);

/// May a trail tell more of a probe that was sent and is not plain?
/// @param assume_next_hop  as JudgeContext
[[nodiscard]] bool wants_trail(const ProbeEvidence& evidence, const ProbeVerdict& verdict,
                               bool assume_next_hop);

/// Probes whose counters tell the same story have the same text.
[[nodiscard]] std::string likeness(const Plan& plan, std::uint32_t probe, std::uint8_t protocol,
                                   const ProbeEvidence& evidence);

}  // namespace ksms
