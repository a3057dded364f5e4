// SPDX-License-Identifier: BSD-2-Clause
// The registry's leases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ksms/abi.h"
#include "output/json_writer.hpp"

namespace ksms {

/// Both clocks at one moment: a lease's end is kept on CLOCK_MONOTONIC and printed as a date.
struct Moment {
    std::uint64_t monotonic_ns{0}, realtime_ns{0};
    static Moment now();
};

std::string leases_text(const std::vector<ksms_lease>& leases, const Moment& now);
/// One lease as an object.
void lease_object(JsonWriter& json, const ksms_lease& lease, const Moment& now);
/// ksms.registry/1
void write_leases_json(const std::vector<ksms_lease>& leases, const Moment& now, bool pretty,
                       const Sink& sink);

}  // namespace ksms
