// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <atomic>

namespace ksms {

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT set the number that is returned and end nothing; who had
/// them ignored (nohup) keeps them ignored. SIGPIPE is ignored: a write says EPIPE.
const std::atomic<int>& catch_signals();

}  // namespace ksms
