// SPDX-License-Identifier: BSD-2-Clause
// Times are std::chrono. These functions convert the numbers of the kernel, of maps and files.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace ksms {

using std::chrono::nanoseconds;
/// For texts and documents.
using Milliseconds = std::chrono::duration<double, std::milli>;
using Seconds = std::chrono::duration<double>;

/// A point in time of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() and of libstdc++'s
/// steady_clock.
using Instant = std::chrono::steady_clock::time_point;
static_assert(std::is_same_v<Instant::duration, nanoseconds>);
inline constexpr Instant kNever = Instant::max();

/// Since the epoch. Unsigned, because signed nanoseconds end in 2262.
using WallTime = std::chrono::sys_time<std::chrono::duration<std::uint64_t, std::nano>>;

[[nodiscard]] Instant monotonic();
[[nodiscard]] WallTime realtime();
/// Seconds since the epoch.
[[nodiscard]] double realtime_s();

/// Nanoseconds, limited to the maximum (292 years).
[[nodiscard]] constexpr nanoseconds from_ns(std::uint64_t ns) {
    constexpr std::uint64_t most = std::numeric_limits<nanoseconds::rep>::max();
    return nanoseconds(static_cast<nanoseconds::rep>(std::min(ns, most)));
}
/// A time of bpf_ktime_get_ns().
[[nodiscard]] constexpr Instant instant(std::uint64_t ns) {
    return Instant(from_ns(ns));
}
/// A non-negative time as a number, for the kernel and its maps.
[[nodiscard]] constexpr std::uint64_t in_ns(nanoseconds time) {
    return static_cast<std::uint64_t>(time.count());
}
[[nodiscard]] constexpr std::uint64_t in_ns(Instant at) {
    return in_ns(at.time_since_epoch());
}
/// For poll(2).
[[nodiscard]] constexpr int in_ms(std::chrono::milliseconds time) {
    return static_cast<int>(time.count());
}
/// A timeout for poll(2), at least `left`.
[[nodiscard]] constexpr int poll_time(nanoseconds left) {
    return in_ms(std::chrono::floor<std::chrono::milliseconds>(std::max(left, nanoseconds(0)))) + 1;
}

/// Sleeps. A signal ends it early.
void pause_for(nanoseconds time);

}  // namespace ksms
