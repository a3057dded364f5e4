// SPDX-License-Identifier: BSD-2-Clause
// The cgroups of this machine and the BPF programs at them.
#pragma once

#include <string>

#include "base/error.hpp"

namespace ksms {

/// The mount of cgroup v2: unified, or beside the v1 hierarchies (hybrid mode of systemd). "":
/// there is none.
[[nodiscard]] std::string cgroup_mount();

/// Has the cgroup of this process, or one above it, a BPF program for what its sockets send?
Result<bool> cgroup_filters_packets();

}  // namespace ksms
