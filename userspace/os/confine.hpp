// SPDX-License-Identifier: BSD-2-Clause
// What a process gives up for good, with all that it starts. Nothing here needs systemd.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace ksms {

/// Gives up every capability but these, also those that it would get by executing a program
/// (capabilities(7)), and the way to more: no_new_privs. What it does not have it does not get.
/// @param kept  CAP_NET_ADMIN, …
Status keep_capabilities(std::span<const int> kept);

/// A supplementary group more, which must be had before capabilities are given up. Nothing where
/// there is no such group, or where groups may not be changed.
Status join_group(const std::string& name);

/// For a process that does a scan's work as root, and starts nft and iptables: the system calls
/// that nothing of this needs, and that would reach the machine around it, are refused with EPERM:
/// mounting, kernel modules, another kernel, the clock, tracing others, keys, and namespaces but
/// those of the network. Needs no_new_privs or CAP_SYS_ADMIN.
Status refuse_what_no_scan_needs();

/// For a process that talks over descriptors that it has or is given, and does nothing else: no
/// capability, no file (Landlock), no socket of its own, no other process, no program; all of it is
/// refused with EPERM. A thread that exists already keeps what it has: call it before any is made.
/// @return what this kernel has not, in words; empty: it is all in force
Result<std::vector<std::string>> confine_to_descriptors();

}  // namespace ksms
