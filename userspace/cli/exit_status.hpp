// SPDX-License-Identifier: BSD-2-Clause
// The exit status of ksmsctl: 0, a Code, or 128 and the number of a signal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <set>

#include "base/error.hpp"
#include "cli/command.hpp"
#include "judge/report.hpp"

namespace ksms {

struct Explanation;

/// Of a command that failed.
/// @param signal  that ended it; 0: none
int exit_status(const Error& error, int signal);

/// Of a scan that has a report. Prints why every verdict is UNKNOWN if so.
/// @param fail_on  verdicts that are Code::expectation, at whichever entry
int exit_status(Context& context, const Report& report, const std::set<Verdict>& fail_on);

/// Of an explain that has a result, as of a scan.
int exit_status(Context& context, const Explanation& result);

/// Of a job that is done, as of its scan.
/// @param result  a scan's document
int exit_status(const nlohmann::json& result, const std::set<Verdict>& fail_on);

}  // namespace ksms
