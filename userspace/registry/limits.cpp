// SPDX-License-Identifier: BSD-2-Clause
#include "registry/limits.hpp"

#include <algorithm>
#include <bit>

#include "ksms/abi.h"

namespace ksms {

std::uint64_t range_mask(const RegistryLimits& limits) {
    std::uint64_t mask = 0;
    for (unsigned dscp = limits.dscp_min; dscp <= limits.dscp_max && dscp < KSMS_DSCPS; ++dscp)
        mask |= std::uint64_t{1} << dscp;
    return mask & ~limits.excluded;
}

std::uint32_t capacity(const RegistryLimits& limits) {
    return std::min(limits.max_jobs, static_cast<std::uint32_t>(std::popcount(range_mask(limits))));
}

}  // namespace ksms
