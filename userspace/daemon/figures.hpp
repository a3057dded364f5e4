// SPDX-License-Identifier: BSD-2-Clause
// What ksmsd counts; docs/metrics.md says what each means.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace ksms {

/// Cumulative buckets as Prometheus has them.
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
    [[nodiscard]] std::uint64_t bucket(std::size_t number) const { return buckets_.at(number); }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] double sum() const { return sum_; }

private:
    std::array<std::uint64_t, bounds.size()> buckets_{};
    std::uint64_t count_{0};
    double sum_{0};
};

/// Of each type of job: [0] fast, [1] detailed.
template <typename T>
using PerType = std::array<T, 2>;

struct Figures {
    PerType<std::uint64_t> submitted{};
    PerType<std::map<std::string, std::uint64_t>> finished;  ///< by outcome
    std::map<std::string, std::uint64_t> rejected;           ///< by reason
    PerType<Histogram> start_delay, scan;
    Histogram lease_wait;
    std::uint64_t yes{0}, no{0}, unknown{0};
    std::uint64_t sent{0}, resent{0}, lost{0};
    std::uint64_t database_errors{0};
};

}  // namespace ksms
