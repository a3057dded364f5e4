// SPDX-License-Identifier: BSD-2-Clause
// The target of a request: RFC 9112 section 3.2, RFC 3986.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/service.hpp"

namespace ksms {

struct HttpTarget {
    std::string authority;                                   ///< of the absolute form; else empty
    std::string path;                                        ///< as received, for messages
    std::vector<std::string> segments;                       ///< decoded; none for "/"
    std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order
};

/// 400 if it is malformed, or decodes to invalid UTF-8 or control characters.
[[nodiscard]] Answer<HttpTarget> parse_target(std::string_view target);

/// Whether a text is valid UTF-8 (RFC 3629) without control characters.
[[nodiscard]] bool is_plain_text(std::string_view text);

}  // namespace ksms
