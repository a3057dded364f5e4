// SPDX-License-Identifier: BSD-2-Clause
// Parses and checks a request of a command line or of the body of POST /v1/jobs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "request/fields.hpp"
#include "request/options.hpp"

namespace ksms {

/// @param place  in_scan, in_explain or in_submit. ksmsd checks the limits for in_submit
/// @return Code::usage naming the option and the value
Result<Asked> make_scan_request(Place place, const Arguments& arguments,
                                const RegistryLimits& limits, const Environment& environment);

/// @param body  an object; its keys are the long options of `scan` or `explain` with "_" instead of
///              "-"
/// @return Code::usage naming the key and the value
Result<Asked> make_job_request(const nlohmann::json& body, const RegistryLimits& limits);

/// The body for the options of `job submit`.
[[nodiscard]] nlohmann::json job_body(const Arguments& arguments);

/// Sets the limits of a request that was parsed earlier.
/// @return Code::usage for a DSCP outside of them
Status limit(ScanRequest& request, const RegistryLimits& limits);

/// Applies KSMS_ATTACH and KSMS_DROPS, which tests use to force other methods, and the user who
/// called sudo(8).
Status surround(ScanRequest& request, const Environment& environment);

}  // namespace ksms
