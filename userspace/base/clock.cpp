// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.hpp"

#include <ctime>

namespace ksms {

Instant monotonic() {
    return std::chrono::steady_clock::now();
}

WallTime realtime() {
    return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

double realtime_s() {
    return Seconds(realtime().time_since_epoch()).count();
}

void pause_for(nanoseconds time) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const timespec pause{whole.count(), static_cast<long>((time - whole).count())};
    nanosleep(&pause, nullptr);
}

}  // namespace ksms
