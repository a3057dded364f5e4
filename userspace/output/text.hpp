// SPDX-License-Identifier: BSD-2-Clause
// A scan as text.
#pragma once

#include <cstddef>
#include <string>

#include "output/scan_view.hpp"

namespace ksms {

struct TextStyle {
    bool color{false};
    std::size_t width{100};  ///< columns; wider matrices are folded by router
    bool details{false};     ///< interfaces, the kernel's function, timing (-v)
    bool hints{true};
};

std::string scan_text(const ScanView& view, const TextStyle& style);

}  // namespace ksms
