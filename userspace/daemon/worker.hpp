// SPDX-License-Identifier: BSD-2-Clause
// The worker process: runs one job after the other, with one thread, as ksmsctl would. It dies with
// ksmsd, and a signal ends its job cleanly, and then itself.
#pragma once

#include <sys/types.h>

#include <string>

#include "os/child.hpp"

namespace ksms {

inline constexpr int kWorkerSocket = kFirstGiven;  ///< its end of the socket pair

/// @param parent  the PID of ksmsd: one that died before this was called is noticed
/// @param pin_root  of the jobs to come
/// @return the exit status
int worker_main(pid_t parent, const std::string& pin_root);

}  // namespace ksms
