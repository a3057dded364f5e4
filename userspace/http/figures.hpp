// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <array>
#include <cstdint>

namespace ksms {

/// What the server counted since it started.
struct HttpFigures {
    std::uint64_t accepted{0};
    std::uint64_t refused{0};                ///< too many connections: 503 at once
    std::uint64_t evicted{0};                ///< closed while they waited, to make room
    std::uint64_t timed_out{0};              ///< requests that did not come to an end
    std::uint64_t cut_off{0};                ///< who did not take what was sent to them
    std::uint64_t accept_failures{0};        ///< no descriptors, no memory
    std::array<std::uint64_t, 6> answers{};  ///< by the first digit of the status
};

}  // namespace ksms
