// SPDX-License-Identifier: BSD-2-Clause
// Detailed jobs run one at a time.
#pragma once

#include <atomic>
#include <chrono>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// The lock for a detailed job: a flock(2) on a directory of the pins that only root can open. It
/// ends with its holder and needs no file.
class JobLock {
public:
    /// @param root  installed
    /// @param wait  how long to wait for the lock; 0: fail at once
    /// @param stop  the number of a signal ends the wait
    /// @return Code::failed naming the process that holds it
    static Result<JobLock> take(const PinRoot& root, std::chrono::nanoseconds wait,
                                const std::atomic<int>* stop);

private:
    Fd fd_;
};

}  // namespace ksms
