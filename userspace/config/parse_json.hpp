// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ksms {

/// A JSON text of somebody else's. Whatever the library has against it (a number that no double can
/// hold, too), and nesting deeper than 64, is Code::usage naming the line.
/// @param name  of the file, for the messages
Result<nlohmann::json> parse_json(std::string_view text, const std::string& name,
                                  const std::string& hint = {});

}  // namespace ksms
