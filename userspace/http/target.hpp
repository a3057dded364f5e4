// SPDX-License-Identifier: BSD-2-Clause
// What a request names: RFC 9112 section 3.2, RFC 3986.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/service.hpp"

namespace ksms {

struct HttpTarget {
    std::string authority;                                   ///< of the absolute form, else empty
    std::string path;                                        ///< as it came, for messages
    std::vector<std::string> segments;                       ///< decoded; none for "/"
    std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order
};

/// 400 where it is no target, or what it encodes is no UTF-8 or has control characters in it.
[[nodiscard]] Answer<HttpTarget> parse_target(std::string_view target);

/// Whether a text is UTF-8 (RFC 3629) without control characters.
[[nodiscard]] bool is_plain_text(std::string_view text);

}  // namespace ksms
