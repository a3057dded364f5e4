// SPDX-License-Identifier: BSD-2-Clause
// Jobs as JSON (docs/openapi.json).
#pragma once

#include <string>

#include "queue/job.hpp"

namespace ksms {

/// @param with_result  false: its result is null
[[nodiscard]] std::string job_text(const Job& job, bool with_result);
/// {"id":…,"state":…}
[[nodiscard]] std::string job_state_text(const Job& job);
/// The request with sorted keys and no white space: equal requests have equal texts.
[[nodiscard]] std::string canonical(const std::string& request);

}  // namespace ksms
