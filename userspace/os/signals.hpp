// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <atomic>

namespace ksms {

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT set the number that is returned and end nothing; who had
/// them ignored (nohup) keeps them ignored. SIGPIPE is ignored: a write says EPIPE.
const std::atomic<int>& catch_signals();

/// As a program wants them that takes our place (execve(2) resets what was caught, not what was
/// ignored).
void release_signals();

}  // namespace ksms
