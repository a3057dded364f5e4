// SPDX-License-Identifier: BSD-2-Clause
// Putting the object into the kernel and under the pin root. For the files of this room.
#pragma once

#include "base/error.hpp"
#include "bpf/objects.hpp"

namespace ksms {

/// Where a BPF file system lets everybody make directories (mode 1777, the kernel's default) a
/// stranger may have been first.
/// @return Code::not_allowed where the pin root, or the directory that it is in, is not root's
/// alone
Status check_root(const PinRoot& root);

/// Makes sure that the pins under `root` are those of this build: checks the ABI, installs where
/// there is nothing
/// (`may_install`), replaces the programs where another build's are.
/// @return whether the exit hook was missing: owners may have ended that it did not see
Result<bool> ensure_installed(const PinRoot& root, bool may_install);

/// Mounts the BPF file system on /sys/fs/bpf if the root lies below it and nothing is mounted.
Status ensure_bpf_fs(const PinRoot& root);

/// Runs ksms_setup: the timers of the leases, and what a pidfd is.
Status set_up(int program);

/// New programs over the maps that are pinned, the exit hook and the timers with them.
Status reinstall_programs(const PinRoot& root);

/// Where the group `ksms` exists, its members may open what the registry's users need.
Status open_to_group(const std::string& path);

/// The hold on the registry's maps that needs no pin: put back where it is missing.
Status ensure_kept(const PinRoot& root);

/// The hook that frees a dead owner's lease: attached and pinned, once. Who finds it missing puts
/// it back.
/// @return whether it was missing
Result<bool> ensure_exit_hook(const PinRoot& root);

}  // namespace ksms
