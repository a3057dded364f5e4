// SPDX-License-Identifier: BSD-2-Clause
// The options of `scan` -> a ScanRequest, or what is wrong with them.
#pragma once

#include <set>
#include <span>

#include "config/config.hpp"
#include "judge/report.hpp"
#include "request/options.hpp"
#include "route/request.hpp"

namespace ksms {

[[nodiscard]] std::span<const Option> scan_options();

/// @return Code::usage naming the option and the value
Result<ScanRequest> make_scan_request(const Arguments& arguments, const Config& config);

/// --fail-on yes,no,unknown
Result<std::set<Verdict>> read_fail_on(const Arguments& arguments);

}  // namespace ksms
