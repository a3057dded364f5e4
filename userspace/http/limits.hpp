// SPDX-License-Identifier: BSD-2-Clause
// Limits for clients. Together they bound the memory of the server (docs/design.md).
#pragma once

#include <chrono>
#include <cstddef>

namespace ksms {

struct HttpLimits {
    std::size_t header{16 * 1024};  ///< bytes of request line and headers
    std::size_t target{4 * 1024};   ///< bytes of the request's target
    std::size_t body{1024 * 1024};  ///< bytes of a request's body

    std::size_t connections{256};         ///< in all
    std::size_t connections_per_uid{64};  ///< the loopback port counts as one uid
    std::size_t reserved_for_root{8};     ///< above `connections`
    std::size_t streams_per_uid{48};      ///< event streams and waits

    // Answers and events that clients have not read yet. A single answer may be larger.
    std::size_t bytes{128 * 1024 * 1024};  ///< in all
    std::size_t bytes_per_uid{32 * 1024 * 1024};

    std::chrono::milliseconds names{3'000};       ///< for the lookup of the client's user
    std::chrono::milliseconds request{10'000};    ///< from the first byte of a request to its last
    std::chrono::milliseconds idle{15'000};       ///< between requests
    std::chrono::milliseconds service{30'000};    ///< for a reply of the service
    std::chrono::milliseconds write{30'000};      ///< without a byte of the answer taken
    std::chrono::milliseconds answer{600'000};    ///< for one answer as a whole
    std::chrono::milliseconds linger{2'000};      ///< reading on after the last answer
    std::chrono::milliseconds heartbeat{15'000};  ///< comments on a silent stream of events
    std::chrono::milliseconds longest_wait{300'000};  ///< ?wait=
    std::chrono::milliseconds accept_pause{100};      ///< after a lack of descriptors or memory
};

}  // namespace ksms
