// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "judge/evidence.hpp"
#include "judge/plan.hpp"
#include "judge/verdict.hpp"
#include "judge/walk.hpp"

namespace ksms {

/// The row of a router that is not judged yet: where the probe came by, and what was counted.
/// @param place  of the router on the probe's way, from 0
ProbeVerdict::AtRouter empty_row(const Plan& plan, std::size_t entry, std::uint32_t service,
                                 const ProbeEvidence& evidence, const WalkStep& step,
                                 std::size_t place);

}  // namespace ksms
