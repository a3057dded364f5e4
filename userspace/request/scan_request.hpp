// SPDX-License-Identifier: BSD-2-Clause
// What a user asks, on a command line or in the body of POST /v1/jobs, checked.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "request/fields.hpp"
#include "request/options.hpp"

namespace ksms {

/// @param place  in_scan, in_explain or in_submit, whose options these are. What `job submit` asks
/// is held against the limits by ksmsd
/// @return Code::usage naming the option and the value
Result<Asked> make_scan_request(Place place, const Arguments& arguments,
                                const RegistryLimits& limits, const Environment& environment);

/// @param body  an object; its keys are the options of `scan` or `explain` by their long names, "_"
/// for "-"
/// @return Code::usage naming the key and the value
Result<Asked> make_job_request(const nlohmann::json& body, const RegistryLimits& limits);

/// The body that says what the options of `job submit` say.
[[nodiscard]] nlohmann::json job_body(const Arguments& arguments);

/// Puts it under limits that are newer than it is.
/// @return Code::usage for a DSCP that they do not have
Status limit(ScanRequest& request, const RegistryLimits& limits);

/// KSMS_ATTACH and KSMS_DROPS, for tests of what this kernel or these links would not choose, and
/// who called sudo(8).
Status surround(ScanRequest& request, const Environment& environment);

}  // namespace ksms
