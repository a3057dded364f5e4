// SPDX-License-Identifier: BSD-2-Clause
// Leases of a backup, taken again: all of them or none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "registry/registry.hpp"

namespace ksms {

/// A lease as a backup has it.
struct SavedLease {
    std::string job, user;
    std::uint8_t dscp{0};
    std::optional<std::uint32_t> pid;
    std::optional<std::uint64_t> start;  ///< of the process; a backup of others may not have it
    WallTime allocated_at;
    std::optional<WallTime> expires_at;
    std::uint32_t uid{0};
};

struct Restored {
    std::vector<ksms_lease> restored;
    std::vector<std::string> left_out;  ///< each with the reason
};

/// Did the process start before this moment? One that did not is another of the same number.
[[nodiscard]] bool started_before(const ProcessId& process, WallTime moment, WallTime now);

/// Dead owners and times that are over are left out. What holds already, by the same owner, stays.
/// @return Code::no_dscp where a DSCP or a job is held otherwise; nothing is restored then
Result<Restored> restore(const Registry& registry, const std::vector<SavedLease>& saved,
                         WallTime now, const Surroundings& surroundings = {});

}  // namespace ksms
