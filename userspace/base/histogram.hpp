// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ksms {

/// Durations in seconds, in cumulative buckets like those of Prometheus.
class Histogram {
public:
    static constexpr std::array<double, 14> bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                   0.25,  0.5,    1,     2.5,  10,    60,   600};
    void add(double seconds) {
        for (std::size_t i = 0; i < bounds.size(); ++i)
            if (seconds <= bounds[i]) ++buckets_[i];
        ++count_;
        sum_ += seconds;
    }
    /// The number of durations up to bounds[number].
    [[nodiscard]] std::uint64_t bucket(std::size_t number) const { return buckets_.at(number); }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] double sum() const { return sum_; }

private:
    std::array<std::uint64_t, bounds.size()> buckets_{};
    std::uint64_t count_{0};
    double sum_{0};
};

}  // namespace ksms
