// SPDX-License-Identifier: BSD-2-Clause
// Keeps the registry's maps if their pins are removed (rm, umount) while jobs hold DSCPs. A program
// that never runs is bound to the maps (BPF_PROG_BIND_MAP, Linux 5.10) and attached to an empty
// cgroup. The kernel then holds them without descriptor or pin until the cgroup is removed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// The path of the cgroup for this pin root: its name is the last component of the root and a hash
/// of the path, "ksms-1b2c3d4e". "" if no cgroup v2 is mounted.
[[nodiscard]] std::string keeper_path(const PinRoot& root);

/// Binds the maps to the program, before it is attached.
Status bind_maps(int program, const std::vector<int>& maps);

/// Attaches the program in place of the present keeper of this root.
Status keep(const PinRoot& root, int program);
/// The id of the attached program; 0: none.
Result<std::uint32_t> kept_program(const PinRoot& root);
/// Removes the keeper. @return whether there was one
Result<bool> let_go(const PinRoot& root);

}  // namespace ksms
