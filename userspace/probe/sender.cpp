// SPDX-License-Identifier: BSD-2-Clause
#include "probe/sender.hpp"

#include <algorithm>

namespace ksms {

using namespace std::chrono_literals;

Instant Pace::begin(std::uint64_t rate_pps, const Stop& stop) {
    if (rate_pps != 0) wait(stop, 0);
    return monotonic();
}

void Pace::keep(Instant begun, std::size_t done, std::size_t all, std::uint64_t rate_pps,
                const Stop& stop) {
    if (rate_pps == 0) return;
    next_due_ = begun + done * nanoseconds(1s) / rate_pps;
    if (done < all) wait(stop, done);
}

void Pace::wait(const Stop& stop, std::size_t done) const {
    constexpr nanoseconds longest = 50ms;
    for (auto now = monotonic(); now < next_due_ && !stop(done); now = monotonic())
        pause_for(std::min(next_due_ - now, longest));
}

}  // namespace ksms
