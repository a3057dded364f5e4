// SPDX-License-Identifier: BSD-2-Clause
// Jobs as JSON, as docs/openapi.json has them.
#pragma once

#include <string>

#include "queue/job.hpp"

namespace ksms {

/// @param with_result  false: its result is null
[[nodiscard]] std::string job_text(const Job& job, bool with_result);
/// {"id":…,"state":…}
[[nodiscard]] std::string job_state_text(const Job& job);
/// Two requests that ask the same have the same text.
[[nodiscard]] std::string canonical(const std::string& request);

}  // namespace ksms
