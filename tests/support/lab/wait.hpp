// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <chrono>
#include <functional>

namespace ksms::lab {

using std::chrono::milliseconds;

/// So long a test waits for what is sure to come, however busy the machine is.
inline constexpr milliseconds kPatience{60'000};

/// Asks until the condition holds.
/// @return false: it did not within the deadline
bool eventually(const std::function<bool()>& condition, milliseconds deadline = kPatience);

/// Waits until the descriptor is readable. @return false: it was not in time
bool readable(int fd, milliseconds deadline = kPatience);

}  // namespace ksms::lab
