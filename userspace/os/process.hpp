// SPDX-License-Identifier: BSD-2-Clause
// Identity of processes: PIDs are reused, a PID with its start time is unique.
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

/// @return Code::not_found only if there is no such process (or it is a zombie); another code if it
/// could not be examined
Result<ProcessId> process_id(std::uint32_t pid);
Result<ProcessId> this_process();
/// getpid(2) without the system call, which would take a third of the time of an allocation.
/// Correct after fork(3), not after a raw clone(2).
[[nodiscard]] std::uint32_t current_pid();
/// False only if /proc shows that it is gone, a zombie, or another process.
[[nodiscard]] bool is_alive(const ProcessId& process);
/// Whether PIDs mean here what they mean to the kernel and on the host.
[[nodiscard]] bool in_initial_pid_namespace();
/// The name of the calling user; "uid:N" if the user database has none.
[[nodiscard]] std::string user_name();
/// Whether `capability` (CAP_NET_ADMIN, …) is in the effective set.
[[nodiscard]] bool has_capability(int capability);
/// Code::not_allowed naming each missing capability of CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN,
/// CAP_BPF, CAP_PERFMON.
/// @param what  needs them: "a scan"
Status require_capabilities(const std::string& what);

}  // namespace ksms
