// SPDX-License-Identifier: BSD-2-Clause
// The options of `scan` -> a ScanRequest, or what is wrong with them.
#pragma once

#include <set>
#include <span>

#include "base/environment.hpp"
#include "config/config.hpp"
#include "judge/report.hpp"
#include "request/options.hpp"
#include "route/request.hpp"

namespace ksms {

[[nodiscard]] std::span<const Option> scan_options();

/// @return Code::usage naming the option and the value
Result<ScanRequest> make_scan_request(const Arguments& arguments, const Config& config,
                                      const Environment& environment);

/// --fail-on yes,no,unknown
Result<std::set<Verdict>> read_fail_on(const Arguments& arguments);

}  // namespace ksms
