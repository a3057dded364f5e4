// SPDX-License-Identifier: BSD-2-Clause
// Times are std::chrono. The kernel, its maps and files have them as numbers; those are converted
// by these functions, where they are read or written.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace ksms {

using std::chrono::nanoseconds;
/// What a person or a document is told.
using Milliseconds = std::chrono::duration<double, std::milli>;
using Seconds = std::chrono::duration<double>;

/// A point in time of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() and of libstdc++'s
/// steady_clock.
using Instant = std::chrono::steady_clock::time_point;
static_assert(std::is_same_v<Instant::duration, nanoseconds>);
inline constexpr Instant kNever = Instant::max();

/// Since the epoch; unsigned, for signed nanoseconds end in 2262.
using WallTime = std::chrono::sys_time<std::chrono::duration<std::uint64_t, std::nano>>;

[[nodiscard]] Instant monotonic();
[[nodiscard]] WallTime realtime();
/// Seconds since the epoch.
[[nodiscard]] double realtime_s();

/// A number of nanoseconds; what is more than there can be (292 years) is the most.
[[nodiscard]] constexpr nanoseconds from_ns(std::uint64_t ns) {
    constexpr std::uint64_t most = std::numeric_limits<nanoseconds::rep>::max();
    return nanoseconds(static_cast<nanoseconds::rep>(std::min(ns, most)));
}
/// A number of the kernel's, bpf_ktime_get_ns().
[[nodiscard]] constexpr Instant instant(std::uint64_t ns) {
    return Instant(from_ns(ns));
}
/// A time that is not negative, as the kernel and its maps have it.
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
/// For poll(2): no less than what is left until some moment.
[[nodiscard]] constexpr int poll_time(nanoseconds left) {
    return in_ms(std::chrono::floor<std::chrono::milliseconds>(std::max(left, nanoseconds(0)))) + 1;
}

/// Sleeps; a signal ends it sooner.
void pause_for(nanoseconds time);

}  // namespace ksms
