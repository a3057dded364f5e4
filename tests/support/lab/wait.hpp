// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <chrono>
#include <functional>

namespace ksms::lab {

using std::chrono::milliseconds;

/// Asks until the condition holds.
/// @return false: it did not within the deadline
bool eventually(const std::function<bool()>& condition,
                milliseconds deadline = milliseconds{20'000});

/// Waits until the descriptor is readable. @return false: it was not in time
bool readable(int fd, milliseconds deadline);

}  // namespace ksms::lab
