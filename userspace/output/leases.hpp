// SPDX-License-Identifier: BSD-2-Clause
// Leases and utilization of the registry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "ksms/abi.h"
#include "output/json_writer.hpp"

namespace ksms {

/// Both clocks at one moment, because leases end on CLOCK_MONOTONIC and are printed as dates.
struct Moment {
    Instant monotonic;
    WallTime realtime;
    static Moment now();
};

std::string leases_text(const std::vector<ksms_lease>& leases, const Moment& now,
                        std::size_t width);
/// Utilization of the registry.
struct RegistryUse {
    std::uint64_t dscps{0};     ///< bit n: DSCP n may be allocated
    std::uint32_t capacity{0};  ///< maximum of concurrent leases
    std::uint32_t in_use{0};
    ksms_registry figures{};  ///< counters of the kernel
    std::uint32_t over{0};    ///< expired or of dead owners: the next allocation can take them
};
/// 0 to 1; more if the limits were lowered below the present leases.
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
