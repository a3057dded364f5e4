// SPDX-License-Identifier: BSD-2-Clause
// A scan's document back into the value that it was written from, as far as the text shows it.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "scan/report.hpp"

namespace ksms {

/// @param document  ksms.scan/1
/// @return Code::failed where it is none
Result<Report> read_scan_json(std::string_view document);

}  // namespace ksms
