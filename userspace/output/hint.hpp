// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

#include "judge/report.hpp"

namespace ksms {

/// What to do about entries that differ, else about the first UNKNOWN; "" if there is neither.
std::string hint_text(const Report& report);

}  // namespace ksms
