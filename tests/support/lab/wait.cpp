// SPDX-License-Identifier: BSD-2-Clause
#include "lab/wait.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace ksms::lab {
namespace {

using Clock = std::chrono::steady_clock;

int left(Clock::time_point end) {
    const auto rest = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
    return static_cast<int>(std::max<long>(0, rest));
}

}  // namespace

bool eventually(const std::function<bool()>& condition, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    while (!condition()) {
        if (Clock::now() >= end) return false;
        ::poll(nullptr, 0, std::min(5, left(end)));
    }
    return true;
}

bool readable(int fd, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    pollfd entry{fd, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&entry, 1, left(end));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

}  // namespace ksms::lab
