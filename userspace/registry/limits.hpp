// SPDX-License-Identifier: BSD-2-Clause
// dscp_registry of the configuration, as far as leases go.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "bpf/registry_pins.hpp"
#include "ksms/abi.h"

namespace ksms {

/// Those of root hold for everybody; the kernel keeps them all, whatever a caller says.
struct RegistryLimits {
    std::uint8_t dscp_min{32}, dscp_max{63};
    std::uint64_t excluded{0};  ///< bit n: DSCP n is never given out
    std::uint32_t max_jobs{32};
    nanoseconds ttl{std::chrono::hours(1)};  ///< allocation_timeout
    // Of users who are not root:
    std::optional<std::uint32_t>
        root_reserve{};              ///< DSCPs that they are not given; none: an eighth
    std::uint32_t user_leases{8};    ///< of one user at once
    std::uint32_t user_waiters{16};  ///< calls of one user that wait at once
    nanoseconds longest{std::chrono::hours(24)};  ///< time to live
};

/// Bit n: DSCP n may be given out.
[[nodiscard]] std::uint64_t range_mask(const RegistryLimits& limits);
/// How many leases there can be at once.
[[nodiscard]] std::uint32_t capacity(const RegistryLimits& limits);
/// DSCPs that are root's alone, the highest of the range.
[[nodiscard]] std::uint32_t root_reserve(const RegistryLimits& limits);

/// As the kernel has them.
[[nodiscard]] ksms_lease_limits kernel_limits(const RegistryLimits& limits);
[[nodiscard]] RegistryLimits from_kernel(const ksms_lease_limits& limits);

/// Do the limits in the kernel say the same?
Result<bool> limits_in_force(const RegistryPins& pins, const RegistryLimits& limits);
/// Puts them into force where others are. Root only.
Status set_limits(const RegistryPins& pins, const RegistryLimits& limits);
/// What a caller has to reckon with. Root's configuration is put into force; for others it is what
/// root has set, whatever theirs says.
/// @return Code::failed where root has set none yet
Result<RegistryLimits> effective_limits(const RegistryPins& pins, const RegistryLimits& configured);

}  // namespace ksms
