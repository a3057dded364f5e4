// SPDX-License-Identifier: BSD-2-Clause
// Counters of ksmsd, described in docs/metrics.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/histogram.hpp"

namespace ksms {

/// One value for each type of job: [0] fast, [1] detailed.
template <typename T>
using PerType = std::array<T, 2>;

struct Figures {
    PerType<std::uint64_t> submitted{};
    PerType<std::map<std::string, std::uint64_t>> finished;  ///< by outcome
    std::map<std::string, std::uint64_t> rejected;           ///< by reason
    PerType<Histogram> start_delay, scan;
    Histogram lease_wait;
    std::uint64_t yes{0}, no{0}, unknown{0}, mixed{0};
    std::uint64_t sent{0}, resent{0}, lost{0};
};

}  // namespace ksms
