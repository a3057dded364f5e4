// SPDX-License-Identifier: BSD-2-Clause
// A job as JSON (POST /v1/jobs) -> a ScanRequest, or what is wrong with it. Its keys are the
// options of `scan` or `explain` by their long names, "_" for "-"; their values go through the same
// checks.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "config/config.hpp"
#include "route/request.hpp"

namespace ksms {

struct JobRequest {
    bool detailed{false};             ///< "type": "fast" or "detailed"
    std::string id;                   ///< "": the client chose none
    std::optional<std::string> user;  ///< whose job it shall be; only root may say so
    ScanRequest scan;
};

/// @param body  an object
/// @return Code::usage naming the key and the value
Result<JobRequest> make_job_request(const nlohmann::json& body, const Config& config);

}  // namespace ksms
