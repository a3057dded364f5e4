// SPDX-License-Identifier: BSD-2-Clause
// Files that stand for network namespaces: names of `ip netns`, /proc/PID/ns/net, any other path.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// Opens it to read, if it is a file of nsfs; may be denied for /proc/PID/ns/net (proc_file.hpp).
/// @return errno of open(2); Code::not_found without errno if it is another file
Result<Fd> open_netns_file(const std::string& path);

/// The path of the host's namespace: that of PID 1. If the ptrace(2) access check denies it (the
/// init of a container has more capabilities than this process), that of this thread.
[[nodiscard]] const char* host_netns_path();

/// The inode of a process's namespace.
Result<std::uint32_t> netns_inode_of(std::uint32_t pid);

/// Whether there is no such process any more. Its /proc/PID/ns/net can fail with EACCES then
/// (fs/proc/namespaces.c).
[[nodiscard]] bool has_process_ended(std::uint32_t pid);

}  // namespace ksms
