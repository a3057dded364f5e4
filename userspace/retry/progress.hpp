// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.hpp"

namespace ksms {

/// For the progress line: told every 100 ms or so.
struct ScanProgress {
    std::string stage;    ///< "plan", "lease", "attach", "probe", "settle",
                          ///< "rate limits", "judge"
    std::size_t sent{0};  ///< one that is sent again counts again
    std::size_t accounted{0}, probes{0};
    nanoseconds elapsed{0};
    nanoseconds left{0};  ///< what the rest takes at the pace so far; 0: not known, or nothing
};

}  // namespace ksms
