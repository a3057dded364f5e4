// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "http/service.hpp"

namespace ksms {

inline constexpr unsigned deepest_json = 16;
inline constexpr unsigned most_json_values = 4096;

/// Parses the body of a request: one JSON object (RFC 8259) in valid UTF-8, with at most
/// deepest_json levels and most_json_values values, unique keys, and no NUL in a string.
/// @return 400 with line and column (from 1, columns in bytes) or the key
[[nodiscard]] Answer<nlohmann::json> parse_json_body(std::string_view text);

}  // namespace ksms
