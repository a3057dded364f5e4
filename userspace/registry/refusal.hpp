// SPDX-License-Identifier: BSD-2-Clause
// Errors for refused allocations.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "ksms/abi.h"
#include "registry/registry.hpp"

namespace ksms {

/// Any name of a user database, UTF-8 too, but nothing that steers a terminal.
[[nodiscard]] bool is_user_name(const std::string& user);
/// @return Code::usage for an invalid name of a job or user, or a DSCP outside of the range
Status check_request(const LeaseRequest& request, const RegistryLimits& limits);
/// Another owner or user holds the job's lease.
[[nodiscard]] Error job_taken(const ksms_lease& by);
/// The requested DSCP is held.
[[nodiscard]] Error dscp_taken(const ksms_lease& by);
/// The job holds another DSCP than the requested one.
[[nodiscard]] Error job_holds_another(const ksms_lease& lease, std::uint8_t wanted);
/// Only the user of a lease may renew, release or use it.
[[nodiscard]] Error others_lease(std::uint8_t dscp);
/// @param result  an errno of ksms_registry_call, but ERANGE
[[nodiscard]] Error not_given(const LeaseRequest& request, std::uint32_t result,
                              const RegistryLimits& limits);
[[nodiscard]] Error owner_ended(const LeaseRequest& request);
/// The time to live is above the caller's limit.
[[nodiscard]] Error too_long(nanoseconds ttl, const RegistryLimits& limits);
/// The user holds the maximum number of DSCPs.
[[nodiscard]] Error user_is_full(const RegistryLimits& limits);
/// All DSCPs are held.
[[nodiscard]] Error none_free(const std::vector<ksms_lease>& held, const RegistryLimits& limits);

}  // namespace ksms
