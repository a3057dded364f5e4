// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>
#include <string>

#include "cli/console.hpp"
#include "scan/scan.hpp"

namespace ksms {

/// "probe: 1200 of 65535 accounted for (1300 sent), 1.2 s, about 3 s left"
[[nodiscard]] std::string progress_text(const ScanProgress& progress);

/// The progress line of a scan, shown after half a second. Without a terminal, -v prints each stage
/// on a line.
class ProgressLine {
public:
    explicit ProgressLine(Console& console) : console_(console) {}
    void show(const ScanProgress& progress);

private:
    Console& console_;
    std::string stage_;
};

}  // namespace ksms
