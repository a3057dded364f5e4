// SPDX-License-Identifier: BSD-2-Clause
// Loads the BPF object and pins it under the pin root. For the files of this room.
#pragma once

#include "base/error.hpp"
#include "bpf/objects.hpp"

namespace ksms {

/// Checks who owns the pin root. On a BPF file system where everybody may create directories (mode
/// 1777, the kernel's default) another user may have created it.
/// @return Code::not_allowed unless only root can write the pin root and its parent directory
Status check_root(const PinRoot& root);

/// Makes sure that the pins under `root` are those of this build: checks the ABI, installs if
/// nothing is installed (`may_install`), replaces programs of another build.
/// @return whether the exit hook was missing, so that owners may have ended unnoticed
Result<bool> ensure_installed(const PinRoot& root, bool may_install);

/// Mounts the BPF file system on /sys/fs/bpf if the root is below it and it is not mounted.
Status ensure_bpf_fs(const PinRoot& root);

/// Runs ksms_setup, which sets up the timers of the leases and learns the file operations of a
/// pidfd.
Status set_up(int program);

/// Loads the programs again over the pinned maps, and restarts exit hook and timers.
Status reinstall_programs(const PinRoot& root);

/// Opens the pins of the registry to the group `ksms`, if it exists.
Status open_to_group(const std::string& path);

/// Restores the keeper (bpf/keeper.hpp) if it is missing.
Status ensure_kept(const PinRoot& root);

/// Attaches and pins the exit hook, which frees the leases of dead owners, if it is missing.
/// @return whether it was missing
Result<bool> ensure_exit_hook(const PinRoot& root);

}  // namespace ksms
