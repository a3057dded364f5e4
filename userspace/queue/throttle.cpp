// SPDX-License-Identifier: BSD-2-Clause
#include "queue/throttle.hpp"

#include <algorithm>

namespace ksms {
namespace {

constexpr unsigned highest_level = 16;

Throttle::Time doubled(Throttle::Time first, Throttle::Time longest, unsigned level) {
    return std::min(longest, first * (1U << (level - 1)));
}

}  // namespace

void Throttle::shortage(const std::string& what, Time now) {
    what_ = what;
    limit_ = 1;
    // Jobs that ran together report the same shortage one after the other: count it once.
    if (paused_until_ && now < *paused_until_) return;
    if (now >= calm_until_) level_ = 0;
    level_ = std::min(level_ + 1, highest_level);
    paused_until_ = now + doubled(first_pause, longest_pause, level_);
    quiet_ = doubled(first_quiet, longest_quiet, level_);
    quiet_until_ = now + quiet_;
    calm_until_ = Time::max();
}

void Throttle::finished(unsigned full, Time now) {
    if (!limit_ || now < quiet_until_) return;
    if (++*limit_ < full) return;
    limit_.reset();
    calm_until_ = now + quiet_;
}

void Throttle::tick(Time now) {
    if (paused_until_ && now >= *paused_until_) paused_until_.reset();
}

}  // namespace ksms
