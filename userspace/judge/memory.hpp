// SPDX-License-Identifier: BSD-2-Clause
// Rules that answer by what came before, which the scan itself may have been.
#pragma once

#include <cstddef>
#include <string_view>

#include "judge/drop.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// The rule of a source or a bridge that may have made another packet of it for that; "": none.
[[nodiscard]] std::string_view memory_that_changes(const Plan& plan, std::size_t service);

/// Likewise, or of a router that a probe in isolated mode passed before this one.
/// @param packet  whose packets were seen, see ProbeEvidence::probe
[[nodiscard]] std::string_view memory_before(const Plan& plan, std::size_t packet,
                                             std::size_t probe);

/// The rule that may have let a service pass, or changed it, for that; "": none.
[[nodiscard]] std::string_view memory_that_passes(const PlanRouter& router, std::size_t service);

/// The rule that may have stopped it for that; "": none.
/// @param before  the rule of an earlier router that may have changed it
[[nodiscard]] std::string_view memory_that_stops(const PlanRouter& router, std::size_t service,
                                                 const Drop& drop, std::string_view before);

}  // namespace ksms
