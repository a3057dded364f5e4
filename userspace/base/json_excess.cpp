// SPDX-License-Identifier: BSD-2-Clause
#include "base/json_excess.hpp"

namespace ksms {

std::optional<JsonExcess> json_excess(std::string_view text, const JsonLimits& limits) {
    using What = JsonExcess::What;
    std::size_t depth = 0, values = 1;
    bool quoted = false, escaped = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '\0') return JsonExcess{What::nul, at};
        if (quoted) {
            if (c == '"' && !escaped) quoted = false;
            escaped = c == '\\' && !escaped;
            continue;
        }
        const bool opens = c == '{' || c == '[';
        if (c == '"') quoted = true;
        if (opens && ++depth > limits.depth) return JsonExcess{What::depth, at};
        if ((opens || c == ',') && ++values > limits.values) return JsonExcess{What::values, at};
        if ((c == '}' || c == ']') && depth > 0) --depth;
    }
    return std::nullopt;
}

}  // namespace ksms
