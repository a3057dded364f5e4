// SPDX-License-Identifier: BSD-2-Clause
// The routers' answers for one probe -> the answer for its whole way. For the judge.
#pragma once

#include <cstddef>

#include "judge/evidence.hpp"
#include "judge/plan.hpp"
#include "judge/verdict.hpp"

namespace ksms {

/// @param verdict  its walk is judged; result, cause, notes and arrival are entered
void end_to_end(const Plan& plan, std::size_t probe, const ProbeEvidence& evidence,
                const JudgeContext& context, ProbeVerdict& verdict);

}  // namespace ksms
