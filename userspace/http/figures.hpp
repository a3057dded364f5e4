// SPDX-License-Identifier: BSD-2-Clause
// Counters of the server, described in docs/metrics.md.
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

/// Why a client was refused or disconnected.
enum class HttpRejected {
    too_many_connections,
    too_large,  ///< line, headers or body
    too_slow,   ///< a request that was not complete in time
    malformed,  ///< not HTTP/1.1, or its end is unclear
    not_taken,  ///< a client that does not read its answer
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
