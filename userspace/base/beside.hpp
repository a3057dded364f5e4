// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <future>
#include <system_error>

namespace ksms {

/// Starts work on a thread of its own; where none is to be had (pthread_create(3), EAGAIN) the work
/// is done by who asks for its result.
template <typename Work>
[[nodiscard]] auto beside(const Work& work) {
    try {
        return std::async(std::launch::async, work);
    } catch (const std::system_error&) {
        return std::async(std::launch::deferred, work);
    }
}

}  // namespace ksms
