// SPDX-License-Identifier: BSD-2-Clause
// The limits of leases (dscp_registry in the configuration).
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "bpf/registry_pins.hpp"
#include "ksms/abi.h"

namespace ksms {

/// Root sets the limits of all users. The BPF program enforces them.
struct RegistryLimits {
    std::uint8_t dscp_min{32}, dscp_max{63};
    std::uint64_t excluded{0};  ///< bit n: DSCP n is never allocated
    std::uint32_t max_jobs{32};
    nanoseconds ttl{std::chrono::hours(1)};  ///< allocation_timeout
    // For users other than root:
    std::optional<std::uint32_t> root_reserve{};  ///< DSCPs reserved for root; none: an eighth
    std::uint32_t user_leases{8};                 ///< of one user at once
    std::uint32_t user_waiters{16};               ///< concurrent waiting calls of one user
    nanoseconds longest{std::chrono::hours(24)};  ///< time to live
};

/// Bit n: DSCP n may be allocated.
[[nodiscard]] std::uint64_t range_mask(const RegistryLimits& limits);
/// The maximum of concurrent leases.
[[nodiscard]] std::uint32_t capacity(const RegistryLimits& limits);
/// The number of DSCPs reserved for root, the highest of the range.
[[nodiscard]] std::uint32_t root_reserve(const RegistryLimits& limits);

/// Conversion from and to the struct in the map `limits`.
[[nodiscard]] ksms_lease_limits kernel_limits(const RegistryLimits& limits);
[[nodiscard]] RegistryLimits from_kernel(const ksms_lease_limits& limits);

/// Whether the kernel has the same limits.
Result<bool> limits_in_force(const RegistryPins& pins, const RegistryLimits& limits);
/// Sets the limits in the kernel if they differ. Root only.
Status set_limits(const RegistryPins& pins, const RegistryLimits& limits);
/// The effective limits. As root, sets the configured ones; for other users, returns what root has
/// set.
/// @return Code::failed if root has not set any yet
Result<RegistryLimits> effective_limits(const RegistryPins& pins, const RegistryLimits& configured);

}  // namespace ksms
