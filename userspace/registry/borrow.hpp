// SPDX-License-Identifier: BSD-2-Clause
// A scan under a lease that its user holds: it is used and stays held, by one scan at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "registry/registry.hpp"

namespace ksms {

/// The lease that a job or a DSCP names, if this user holds it; under sudo(8), the user who called
/// that.
/// @param job  "": none was named
/// @return nothing where it is to be allocated; Code::no_dscp where the job is another user's, or
/// holds another DSCP than the one named
Result<std::optional<Lease>> borrow_lease(const Registry& registry, const std::string& job,
                                          std::optional<std::uint8_t> dscp);

}  // namespace ksms
