// SPDX-License-Identifier: BSD-2-Clause
// What several entries answer for one service, in one text. For the files of this room.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "judge/report.hpp"

namespace ksms {

/// Each entry's own, in the order of the entries.
/// @param service  of Report::services
[[nodiscard]] std::vector<std::reference_wrapper<const ServiceReport>> of_entries(
    const Report& report, const ServiceReport& service);

/// "YES from a, b; NO from c (r2: no route)"
[[nodiscard]] std::string entries_text(const Report& report, const ServiceReport& service);

}  // namespace ksms
