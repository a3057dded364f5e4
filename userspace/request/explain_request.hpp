// SPDX-License-Identifier: BSD-2-Clause
// The options of `explain` -> a ScanRequest of a few services, or what is wrong with them.
#pragma once

#include <span>

#include "config/config.hpp"
#include "request/options.hpp"
#include "route/request.hpp"

namespace ksms {

inline constexpr const char* kExplainSynopsis = "-s SOURCE -d DESTINATION -P PORTS";

[[nodiscard]] std::span<const Option> explain_options();

/// @return Code::usage naming the option and the value; more than kMostExplained services too
Result<ScanRequest> make_explain_request(const Arguments& arguments, const Config& config);

}  // namespace ksms
