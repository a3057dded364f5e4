// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <future>
#include <system_error>

namespace ksms {

/// Runs work on a new thread. If no thread can be created (pthread_create(3), EAGAIN), the caller
/// of get() runs it.
template <typename Work>
[[nodiscard]] auto beside(const Work& work) {
    try {
        return std::async(std::launch::async, work);
    } catch (const std::system_error&) {
        return std::async(std::launch::deferred, work);
    }
}

}  // namespace ksms
