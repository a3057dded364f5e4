// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>

namespace ksms {

inline constexpr std::uint64_t kSecond = 1'000'000'000;  // ns

/// Nanoseconds on CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
[[nodiscard]] std::uint64_t monotonic_ns();
/// Nanoseconds since the epoch.
[[nodiscard]] std::uint64_t realtime_ns();
/// A time that is not negative, as the kernel and its maps have it.
[[nodiscard]] constexpr std::uint64_t in_ns(std::chrono::nanoseconds time) {
    return static_cast<std::uint64_t>(time.count());
}
/// Seconds since the epoch.
[[nodiscard]] double realtime_s();

}  // namespace ksms
