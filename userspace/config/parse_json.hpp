// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ksms {

/// Parses an untrusted JSON text. Errors of the library, including numbers out of range, and
/// nesting deeper than 64 are Code::usage naming the line.
/// @param name  of the file, for the messages
Result<nlohmann::json> parse_json(std::string_view text, const std::string& name,
                                  const std::string& hint = {});

}  // namespace ksms
