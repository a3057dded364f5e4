// SPDX-License-Identifier: BSD-2-Clause
// Why a lease is not given.
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
/// @return Code::usage for a job or user that is no name, or a DSCP that is never given out
Status check_request(const LeaseRequest& request, const RegistryLimits& limits);
/// The job is held by another owner or user.
[[nodiscard]] Error job_taken(const ksms_lease& by);
/// The very DSCP that was asked for is held.
[[nodiscard]] Error dscp_taken(const ksms_lease& by);
/// The job holds another DSCP than the one asked for.
[[nodiscard]] Error job_holds_another(const ksms_lease& lease, std::uint8_t wanted);
/// Only its user may renew, release or use it.
[[nodiscard]] Error others_lease(std::uint8_t dscp);
/// @param result  an errno of ksms_registry_call, but ERANGE
[[nodiscard]] Error not_given(const LeaseRequest& request, std::uint32_t result,
                              const RegistryLimits& limits);
[[nodiscard]] Error owner_ended(const LeaseRequest& request);
/// A longer time to live than the caller may have.
[[nodiscard]] Error too_long(nanoseconds ttl, const RegistryLimits& limits);
/// The user holds as many as one may.
[[nodiscard]] Error user_is_full(const RegistryLimits& limits);
/// As many are held as there can be.
[[nodiscard]] Error none_free(const std::vector<ksms_lease>& held, const RegistryLimits& limits);

}  // namespace ksms
