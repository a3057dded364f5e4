// SPDX-License-Identifier: BSD-2-Clause
// A trail as people read it.
#pragma once

#include "judge/own_way.hpp"
#include "judge/plan.hpp"
#include "judge/report.hpp"

namespace ksms {

/// @param way  of this trail: what is not on it are copies
[[nodiscard]] ProbeTrail rows_of(const Plan& plan, std::uint32_t probe, const Trail& trail,
                                 const OwnWay& way);

}  // namespace ksms
