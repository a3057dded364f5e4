// SPDX-License-Identifier: BSD-2-Clause
// What became of the neighbours of a plan, as the judge must know it.
#pragma once

#include <vector>

#include "judge/plan.hpp"
#include "judge/verdict.hpp"
#include "probe/neighbour_resolver.hpp"

namespace ksms {

/// @param states  of plan.neighbours, one each
void tell_neighbours(const Plan& plan, const std::vector<NeighbourState>& states,
                     JudgeContext& context);

}  // namespace ksms
