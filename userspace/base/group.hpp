// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/error.hpp"

namespace ksms {

/// The group whose members use the registry and submit jobs without being root.
inline constexpr const char* kGroup = "ksms";

/// Looks a group up in the group database, which may block (LDAP).
/// @return none: there is no such group; an error if it could not be looked up
Result<std::optional<gid_t>> find_group(const std::string& name);

/// Whether getpwuid_r(3) or a function like it failed for lack of descriptors or memory, or was
/// interrupted. Other errors mean that there is no such name: ENOENT, ESRCH, EBADF, EPERM, and
/// whatever a directory server that does not answer leads to.
[[nodiscard]] bool is_shortage(int err);

}  // namespace ksms
