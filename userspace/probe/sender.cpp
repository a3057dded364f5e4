// SPDX-License-Identifier: BSD-2-Clause
#include "probe/sender.hpp"

#include <algorithm>
#include <ctime>

#include "base/clock.hpp"

namespace ksms {

std::uint64_t Pace::begin(std::uint64_t rate_pps, const Stop& stop) {
    if (rate_pps != 0) wait(stop, 0);
    return monotonic_ns();
}

void Pace::keep(std::uint64_t begun_ns, std::size_t done, std::size_t all, std::uint64_t rate_pps,
                const Stop& stop) {
    if (rate_pps == 0) return;
    next_due_ns_ = begun_ns + done * 1'000'000'000ull / rate_pps;
    if (done < all) wait(stop, done);
}

void Pace::wait(const Stop& stop, std::size_t done) const {
    constexpr std::uint64_t longest = 50'000'000;
    for (auto now = monotonic_ns(); now < next_due_ns_ && !stop(done); now = monotonic_ns()) {
        const timespec pause{0, static_cast<long>(std::min(next_due_ns_ - now, longest))};
        nanosleep(&pause, nullptr);
    }
}

}  // namespace ksms
