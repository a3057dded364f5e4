// SPDX-License-Identifier: BSD-2-Clause
// The registry's maps must outlive their pins: somebody may remove those (rm, umount) while jobs
// hold DSCPs. So a program that never runs is bound to them (BPF_PROG_BIND_MAP, Linux 5.10) and
// attached to a cgroup without a process, where the kernel holds it without a descriptor or a pin
// until the cgroup is removed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// Where the cgroup of this pin root is, below the mount of cgroup v2: its last word and a hash of
/// the whole, "ksms-1b2c3d4e". Empty where this machine has no cgroup v2 within reach.
[[nodiscard]] std::string keeper_path(const PinRoot& root);

/// Binds the maps to the program (before it is attached anywhere).
Status bind_maps(int program, const std::vector<int>& maps);

/// Attaches the program; whatever held before for this root, holds no more.
Status keep(const PinRoot& root, int program);
/// The id of the program that holds for this root, 0: none.
Result<std::uint32_t> kept_program(const PinRoot& root);
/// @return whether there was something to let go of
Result<bool> let_go(const PinRoot& root);

}  // namespace ksms
