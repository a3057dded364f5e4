// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.hpp"

#include <ctime>

namespace ksms {
namespace {
std::uint64_t read_clock(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}
}  // namespace

std::uint64_t monotonic_ns() {
    return read_clock(CLOCK_MONOTONIC);
}

std::uint64_t realtime_ns() {
    return read_clock(CLOCK_REALTIME);
}

double realtime_s() {
    return static_cast<double>(realtime_ns()) / 1e9;
}

}  // namespace ksms
