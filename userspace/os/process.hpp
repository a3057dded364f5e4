// SPDX-License-Identifier: BSD-2-Clause
// Which process: a PID alone may be another one tomorrow, a PID with its start time may not.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace ksms {

struct ProcessId {
    std::uint32_t pid{0};
    std::uint64_t start{0};  ///< clock ticks since boot, field 22 of /proc/PID/stat (proc(5))
    auto operator<=>(const ProcessId&) const = default;
};

/// @return Code::not_found where there is no such process (a zombie counts as gone), and only
/// there: where it could not be looked at, another code
Result<ProcessId> process_id(std::uint32_t pid);
Result<ProcessId> this_process();
/// getpid(2) without the system call, which is a third of what an allocation costs. Right after a
/// fork(3), not after a raw clone(2).
[[nodiscard]] std::uint32_t current_pid();
/// True unless /proc says that it is gone, a zombie, or another process by now.
[[nodiscard]] bool is_alive(const ProcessId& process);
/// The name of the calling user, "uid:N" where the user database has none.
[[nodiscard]] std::string user_name();
/// Is `capability` (CAP_NET_ADMIN, …) in the effective set?
[[nodiscard]] bool has_capability(int capability);
/// Code::not_allowed naming every capability of CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, CAP_BPF,
/// CAP_PERFMON that is missing, with the remedy; `what` is what needs them ("a scan").
Status require_capabilities(const std::string& what);

}  // namespace ksms
