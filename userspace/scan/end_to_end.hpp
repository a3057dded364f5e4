// SPDX-License-Identifier: BSD-2-Clause
// The routers' answers for one probe -> the answer for its whole way. For the judge.
#pragma once

#include <cstddef>
#include <string>

#include "scan/evidence.hpp"
#include "scan/plan.hpp"
#include "scan/verdict.hpp"

namespace ksms {

/// @param delivered  what became of it where a router is the destination; "": none is
/// @param verdict  its walk is judged; result, reasons, notes and reached are entered
void end_to_end(const Plan& plan, std::size_t probe, const ProbeEvidence& evidence,
                const JudgeContext& context, const std::string& delivered, ProbeVerdict& verdict);

}  // namespace ksms
