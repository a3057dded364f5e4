// SPDX-License-Identifier: BSD-2-Clause
// Checks the query parameters of a request.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/service.hpp"
#include "http/target.hpp"

namespace ksms {

/// 400 if a parameter is unknown or given twice.
[[nodiscard]] std::optional<Problem> check_parameters(const HttpTarget& target,
                                                      std::span<const std::string> known);
/// The value of a parameter; nullptr if it is missing.
[[nodiscard]] const std::string* parameter(const HttpTarget& target, std::string_view name);

inline constexpr unsigned most_listed = 1000;  ///< jobs, in one page of the list

/// 400 if a member is not valid (http/service.hpp).
[[nodiscard]] std::optional<Problem> check_job_query(const JobQuery& query);
/// The parameters of GET /v1/jobs.
[[nodiscard]] Answer<JobQuery> parse_job_query(const HttpTarget& target);
/// `wait` in seconds, with fractions; 0 if it is missing.
[[nodiscard]] Answer<std::chrono::milliseconds> parse_wait(const HttpTarget& target,
                                                           std::chrono::milliseconds longest);

}  // namespace ksms
