// SPDX-License-Identifier: BSD-2-Clause
// dscp_registry of the configuration, as far as leases go.
#pragma once

#include <cstdint>

namespace ksms {

struct RegistryLimits {
    std::uint8_t dscp_min{32}, dscp_max{63};
    std::uint64_t excluded{0};  ///< bit n: DSCP n is never given out
    std::uint32_t max_jobs{32};
    std::uint64_t ttl_ns{3600'000'000'000};  ///< allocation_timeout
};

/// Bit n: DSCP n may be given out.
[[nodiscard]] std::uint64_t range_mask(const RegistryLimits& limits);
/// How many leases there can be at once.
[[nodiscard]] std::uint32_t capacity(const RegistryLimits& limits);

}  // namespace ksms
