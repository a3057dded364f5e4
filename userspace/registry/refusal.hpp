// SPDX-License-Identifier: BSD-2-Clause
// Why a lease is not given.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "ksms/abi.h"
#include "registry/registry.hpp"

namespace ksms {

/// @return Code::usage for a job or user that is no name, or a DSCP that is never given out
Status check_request(const LeaseRequest& request, const RegistryLimits& limits);
/// The job is held by another owner or user.
[[nodiscard]] Error job_taken(const ksms_lease& by);
/// The very DSCP that was asked for is held.
[[nodiscard]] Error dscp_taken(const ksms_lease& by);
/// As many are held as there can be.
[[nodiscard]] Error none_free(const std::vector<ksms_lease>& held, const RegistryLimits& limits);

}  // namespace ksms
