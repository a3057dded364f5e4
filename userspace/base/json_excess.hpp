// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>

namespace ksms {

struct JsonLimits {
    std::size_t depth;  ///< levels of objects and arrays
    std::size_t values{std::numeric_limits<std::size_t>::max()};
};

/// Content that must not reach nlohmann::json, and its offset.
struct JsonExcess {
    enum class What { nul, depth, values };
    What what;
    std::size_t at;
};

/// Finds the first NUL, which the library takes for the end of the text, or the first level or
/// value above the limits, before they cost memory or stack. The text need not be valid JSON.
[[nodiscard]] std::optional<JsonExcess> json_excess(std::string_view text,
                                                    const JsonLimits& limits);

}  // namespace ksms
