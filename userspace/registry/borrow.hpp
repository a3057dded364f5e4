// SPDX-License-Identifier: BSD-2-Clause
// Lets a scan use a lease that its user holds, one scan at a time. The lease stays held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "registry/registry.hpp"

namespace ksms {

/// Finds the lease of a job or a DSCP, if this user holds it.
/// @param job  "": not given
/// @param sudo_uid  the user who called sudo(8), whose leases may be used too
/// @return nothing if a lease must be allocated; Code::no_dscp if the job belongs to another user
/// or holds another DSCP
Result<std::optional<Lease>> borrow_lease(const Registry& registry, const std::string& job,
                                          std::optional<std::uint8_t> dscp,
                                          std::optional<std::uint32_t> sudo_uid);

}  // namespace ksms
