// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <atomic>

namespace ksms {

/// Catches SIGINT, SIGTERM, SIGHUP and SIGQUIT, unless they are ignored (nohup), and ignores
/// SIGPIPE: a write returns EPIPE.
/// @return the number of the last signal, 0 before
const std::atomic<int>& catch_signals();

/// Resets SIGPIPE before execve(2), which resets caught signals but not ignored ones.
void release_signals();

}  // namespace ksms
