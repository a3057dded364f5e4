// SPDX-License-Identifier: BSD-2-Clause
// What the judge must know beside the evidence.
#pragma once

#include <cstdint>
#include <vector>

#include "judge/plan.hpp"
#include "judge/verdict.hpp"
#include "probe/neighbour_resolver.hpp"

namespace ksms {

/// What is known before a probe is sent.
/// @param neighbours  of plan.neighbours, one each
[[nodiscard]] JudgeContext context_beforehand(const Plan& plan,
                                              const std::vector<NeighbourState>& neighbours,
                                              std::uint8_t carried, bool drops_seen);

}  // namespace ksms
