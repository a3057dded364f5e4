// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "base/error.hpp"

namespace ksms {

/// Whether this process waits for its timers (timerfd), its wake-ups (eventfd) and its signals (a
/// pipe that does not block) with some epoll. Asio registers these by itself and does not look
/// whether the kernel had the memory: without them a service seems to run, and neither ends nor
/// does anything in time.
Status are_events_watched();

}  // namespace ksms
