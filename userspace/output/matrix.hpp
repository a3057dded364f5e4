// SPDX-License-Identifier: BSD-2-Clause
// The matrix of services and routers. For the files of this room.
#pragma once

#include <string>

#include "output/text.hpp"

namespace ksms {

/// Headings and rows, in as many blocks as the width requires.
std::string matrix_text(const ScanView& view, const TextStyle& style);

}  // namespace ksms
