// SPDX-License-Identifier: BSD-2-Clause
// Parameters of a request's target, checked.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/service.hpp"
#include "http/target.hpp"

namespace ksms {

/// 400 where a parameter is not one of these, or there twice.
[[nodiscard]] std::optional<Problem> check_parameters(const HttpTarget& target,
                                                      std::span<const std::string> known);
/// The value of a parameter, nullptr where it is not there.
[[nodiscard]] const std::string* parameter(const HttpTarget& target, std::string_view name);

inline constexpr unsigned most_listed = 1000;  ///< jobs, in one page of the list

/// 400 where it is not what http/service.hpp says of it.
[[nodiscard]] std::optional<Problem> check_job_query(const JobQuery& query);
/// The parameters of GET /v1/jobs.
[[nodiscard]] Answer<JobQuery> parse_job_query(const HttpTarget& target);
/// `wait` in seconds, with fractions; 0 where it is not there.
[[nodiscard]] Answer<std::chrono::milliseconds> parse_wait(const HttpTarget& target,
                                                           std::chrono::milliseconds longest);

}  // namespace ksms
