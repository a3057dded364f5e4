// SPDX-License-Identifier: BSD-2-Clause
// Files of /proc/PID that need CAP_SYS_PTRACE (proc(5), ptrace(2) "access mode checking").
// ksmsd.service does without it: ksmsd-proc.service has that capability alone and opens these
// files, and no others, for root.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

enum class ProcFile : std::uint32_t {
    net,   ///< /proc/PID/ns/net
    stat,  ///< /proc/PID/stat
};

/// Where ksmsd-proc.service is asked.
inline constexpr const char* kProcSocket = "/run/ksms/proc.sock";

/// Opens it. If that is denied, has it opened at kProcSocket.
/// @return as open(2): ENOENT or ESRCH if there is no such process; EACCES or EPERM if it is denied
/// and nobody opens it for us
Result<Fd> open_proc_file(std::uint32_t pid, ProcFile file);

/// Has it opened by the process that serves this socket. Waits two seconds at most.
/// @return its errno; no errno if it does not answer
Result<Fd> open_proc_file_at(const std::string& socket, std::uint32_t pid, ProcFile file);

/// Serves open_proc_file_at() on a Unix datagram socket. A client cannot block it.
/// @return the error that ended it
Error serve_proc_files(int socket);

}  // namespace ksms
