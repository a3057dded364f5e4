// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "base/error.hpp"

namespace ksms {

/// Checks that an epoll instance watches this process's timers (timerfd), wake-ups (eventfd) and
/// signals (a non-blocking pipe). Asio registers them and ignores ENOMEM of epoll_ctl(2): the
/// service would run without timers and signals.
Status are_events_watched();

}  // namespace ksms
