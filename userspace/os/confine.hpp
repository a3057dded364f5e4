// SPDX-License-Identifier: BSD-2-Clause
// Drops privileges of this process and its children permanently. Does not need systemd.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace ksms {

/// Drops all capabilities except these from all sets (capabilities(7)) and sets no_new_privs. Adds
/// none.
/// @param kept  CAP_NET_ADMIN, …
Status keep_capabilities(std::span<const int> kept);

/// Adds a supplementary group. Call it before capabilities are dropped. Does nothing if there is no
/// such group or groups may not be changed.
Status join_group(const std::string& name);

/// For a process that runs scans as root and starts nft and iptables. Refuses system calls that
/// these do not need and that affect the whole machine, with EPERM: mounts, kernel modules, kexec,
/// clock, ptrace, keys, and namespaces other than network namespaces. Needs no_new_privs or
/// CAP_SYS_ADMIN.
Status refuse_what_no_scan_needs();

/// For a process that only uses descriptors that it has or receives. Refuses capabilities, files
/// (Landlock), new sockets, other processes and programs with EPERM. Call it before any thread is
/// created: Landlock does not apply to existing threads.
/// @return protections that this kernel lacks, in words; empty: all are active
Result<std::vector<std::string>> confine_to_descriptors();

}  // namespace ksms
