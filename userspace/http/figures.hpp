// SPDX-License-Identifier: BSD-2-Clause
// What the server counted since it started; docs/metrics.md says what each means.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/histogram.hpp"

namespace ksms {

/// Why somebody was sent away, or hung up on.
enum class HttpRejected {
    too_many_connections,
    too_large,  ///< line, headers or body
    too_slow,   ///< a request that did not come to its end
    malformed,  ///< no HTTP/1.1, or not clear where it ends
    not_taken,  ///< who does not take what was sent
    count_
};

struct HttpFigures {
    std::uint64_t accepted{0};
    std::array<std::uint64_t, static_cast<std::size_t>(HttpRejected::count_)> rejections{};
    /// By method ("GET", "POST", "DELETE", "other") and status.
    std::map<std::pair<std::string, int>, std::uint64_t> requests;
    Histogram request_seconds;

    std::uint64_t& rejected(HttpRejected why) {
        return rejections.at(static_cast<std::size_t>(why));
    }
    void answered(std::string_view method, int status) {
        const bool known = method == "GET" || method == "POST" || method == "DELETE";
        ++requests[{known ? std::string(method) : "other", status}];
    }
};

}  // namespace ksms
