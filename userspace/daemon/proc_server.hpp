// SPDX-License-Identifier: BSD-2-Clause
// `ksmsd --proc`, which ksmsd-proc.service runs: opens files of /proc for ksmsd (os/proc_file.hpp).
#pragma once

namespace ksms {

/// @return the exit code, when the socket that systemd passed on has failed
int proc_main();

}  // namespace ksms
