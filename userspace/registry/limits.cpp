// SPDX-License-Identifier: BSD-2-Clause
#include "registry/limits.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

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

std::uint32_t root_reserve(const RegistryLimits& limits) {
    constexpr std::uint32_t kPart = 8;
    const auto all = capacity(limits);
    if (limits.root_reserve) return std::min(*limits.root_reserve, all);
    return all <= 1 ? 0 : (all + kPart - 1) / kPart;
}

ksms_lease_limits kernel_limits(const RegistryLimits& limits) {
    ksms_lease_limits result{};
    result.dscps = range_mask(limits);
    result.member_dscps = result.dscps;
    const auto reserve = root_reserve(limits);
    for (std::uint32_t taken = 0; taken < reserve; ++taken)
        result.member_dscps &= ~std::bit_floor(result.member_dscps);
    result.ttl_ns = in_ns(limits.ttl);
    result.longest_ns = in_ns(limits.longest);
    result.max_jobs = limits.max_jobs;
    result.member_jobs = capacity(limits) - reserve;
    result.user_leases = limits.user_leases;
    result.user_waiters = limits.user_waiters;
    return result;
}

RegistryLimits from_kernel(const ksms_lease_limits& limits) {
    RegistryLimits result;
    if (limits.dscps == 0) return {.dscp_min = 1, .dscp_max = 0};
    result.dscp_min = static_cast<std::uint8_t>(std::countr_zero(limits.dscps));
    result.dscp_max = static_cast<std::uint8_t>(KSMS_DSCPS - 1 - std::countl_zero(limits.dscps));
    result.excluded = range_mask(result) & ~limits.dscps;
    result.max_jobs = limits.max_jobs;
    result.ttl = from_ns(limits.ttl_ns);
    result.root_reserve =
        static_cast<std::uint32_t>(std::popcount(limits.dscps & ~limits.member_dscps));
    result.user_leases = limits.user_leases;
    result.user_waiters = limits.user_waiters;
    result.longest = from_ns(limits.longest_ns);
    return result;
}

Result<bool> limits_in_force(const RegistryPins& pins, const RegistryLimits& limits) {
    KSMS_TRY(const auto now, pins.limits.lookup(0));
    const auto wanted = kernel_limits(limits);
    return now && std::memcmp(&*now, &wanted, sizeof wanted) == 0;
}

Status set_limits(const RegistryPins& pins, const RegistryLimits& limits) {
    KSMS_TRY(const bool same, limits_in_force(pins, limits));
    return same ? Status() : pins.limits.update(0, kernel_limits(limits));
}

Result<RegistryLimits> effective_limits(const RegistryPins& pins,
                                        const RegistryLimits& configured) {
    if (geteuid() == 0) {
        KSMS_CHECK(set_limits(pins, configured));
        return configured;
    }
    KSMS_TRY(const auto now, pins.limits.lookup(0));
    if (now && now->dscps != 0) return from_kernel(*now);
    return fail(Code::failed, "root has not set the DSCP range yet",
                "`sudo ksmsctl registry list` does, by the configuration");
}

}  // namespace ksms
