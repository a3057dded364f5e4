// SPDX-License-Identifier: BSD-2-Clause
// What a record of the table says, and whether it is over.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/generation.hpp"
#include "ksms/abi.h"
#include "os/process.hpp"

namespace ksms {

/// The clock and the process table; in a test the one is moved and the other written by hand.
struct Surroundings {
    std::function<Instant()> monotonic = ksms::monotonic;
    std::function<bool(const ProcessId&)> alive = is_alive;
};

[[nodiscard]] bool is_held(const ksms_lease& lease);
[[nodiscard]] Generation generation_of(const ksms_lease& lease);
[[nodiscard]] std::string job_of(const ksms_lease& lease);
[[nodiscard]] std::string user_of(const ksms_lease& lease);
/// What the table says of a lease that was given just now.
[[nodiscard]] ksms_lease record_of(const ksms_registry_call& given);
/// "job web-1 of alice (pid 1234)"
[[nodiscard]] std::string holder_of(const ksms_lease& lease);
/// Its owner has ended, or its time is over, or it has neither.
[[nodiscard]] bool is_over(const ksms_lease& lease, const Surroundings& surroundings);

}  // namespace ksms
