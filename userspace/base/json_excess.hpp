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

/// What must not come to nlohmann::json, and at which byte.
struct JsonExcess {
    enum class What { nul, depth, values };
    What what;
    std::size_t at;
};

/// The first of: a NUL, which the library takes for the end of the text, passing over what stands
/// behind it; a level or a value more than `limits`, before either costs memory or stack. Whether
/// it is JSON at all does not matter.
[[nodiscard]] std::optional<JsonExcess> json_excess(std::string_view text,
                                                    const JsonLimits& limits);

}  // namespace ksms
