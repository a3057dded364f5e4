// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/error.hpp"

namespace ksms {

/// Asks the databases of groups, which may take its time.
/// @return none: there is no such group; an error where this process or this machine is short of
/// something, so that nobody knows
Result<std::optional<gid_t>> find_group(const std::string& name);

/// getpwuid_r(3) and its like fail with ENOENT, ESRCH, EBADF or EPERM where there is no such name,
/// and with others where a server far away is silent. These say nothing about it.
[[nodiscard]] bool is_shortage(int err);

}  // namespace ksms
