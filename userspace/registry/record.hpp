// SPDX-License-Identifier: BSD-2-Clause
// Access to the records of the table of leases.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/generation.hpp"
#include "ksms/abi.h"
#include "os/process.hpp"

namespace ksms {

/// False only if the process that a map names is certainly gone. The kernel wrote its PID as in the
/// initial PID namespace: in another one no process can be looked up by it, and counts as alive.
[[nodiscard]] bool is_owner_alive(const ProcessId& process);

/// Clock and process table, replaced in tests.
struct Surroundings {
    std::function<Instant()> monotonic = ksms::monotonic;
    std::function<bool(const ProcessId&)> alive = is_owner_alive;
};

[[nodiscard]] bool is_held(const ksms_lease& lease);
[[nodiscard]] Generation generation_of(const ksms_lease& lease);
[[nodiscard]] std::string job_of(const ksms_lease& lease);
[[nodiscard]] std::string user_of(const ksms_lease& lease);
/// The record of a lease that was just allocated.
[[nodiscard]] ksms_lease record_of(const ksms_registry_call& given);
/// "job web-1 of alice (pid 1234)"
[[nodiscard]] std::string holder_of(const ksms_lease& lease);
/// Whether its owner has ended, its time is over, or it has neither.
[[nodiscard]] bool is_over(const ksms_lease& lease, const Surroundings& surroundings);

}  // namespace ksms
