// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <exception>
#include <functional>
#include <thread>

namespace ksms::lab {

/// Runs the function in a thread of its own, which may become what the others are not: another
/// user's, or in another namespace. What is thrown there is thrown here.
inline void on_a_thread(const std::function<void()>& what) {
    std::exception_ptr failure;
    std::thread thread([&] {
        try {
            what();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace ksms::lab
