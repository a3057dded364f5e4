// SPDX-License-Identifier: BSD-2-Clause
// Rules that answer by what came before, which the scan itself may have been.
#pragma once

#include <cstddef>
#include <string_view>

#include "judge/drop.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// The rule that may have let a service pass, or changed it, for that; "": none.
[[nodiscard]] std::string_view memory_that_passes(const PlanRouter& router, std::size_t service);

/// The rule that may have stopped it for that; "": none.
/// @param before  the rule of an earlier router that may have changed it
[[nodiscard]] std::string_view memory_that_stops(const PlanRouter& router, std::size_t service,
                                                 const Drop& drop, std::string_view before);

}  // namespace ksms
