// SPDX-License-Identifier: BSD-2-Clause
// The registry's leases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "ksms/abi.h"
#include "output/json_writer.hpp"

namespace ksms {

/// Both clocks at one moment: a lease's end is kept on CLOCK_MONOTONIC and printed as a date.
struct Moment {
    Instant monotonic;
    WallTime realtime;
    static Moment now();
};

std::string leases_text(const std::vector<ksms_lease>& leases, const Moment& now,
                        std::size_t width);
/// How much of the registry is taken.
struct RegistryUse {
    std::uint64_t dscps{0};     ///< bit n: DSCP n may be given out
    std::uint32_t capacity{0};  ///< leases that there can be at once
    std::uint32_t in_use{0};
    ksms_registry figures{};  ///< what the kernel counted
    std::uint32_t over{0};    ///< of dead owners or past their time: free for the next that asks
};
/// 0 to 1, more where the limits were lowered under leases that stand.
[[nodiscard]] double utilization(const RegistryUse& use);
std::string use_text(const RegistryUse& use);
/// ksms.registry-status/1
void write_use_json(const RegistryUse& use, bool pretty, const Sink& sink);

/// One lease as an object.
void lease_object(JsonWriter& json, const ksms_lease& lease, const Moment& now);
/// ksms.registry/1
void write_leases_json(const std::vector<ksms_lease>& leases, const Moment& now, bool pretty,
                       const Sink& sink);

}  // namespace ksms
