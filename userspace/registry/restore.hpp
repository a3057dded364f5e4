// SPDX-License-Identifier: BSD-2-Clause
// Restores the leases of a backup, all or none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "registry/registry.hpp"

namespace ksms {

/// A lease in a backup.
struct SavedLease {
    std::string job, user;
    std::uint8_t dscp{0};
    std::optional<std::uint32_t> pid;
    std::optional<std::uint64_t>
        start;  ///< start time of the process; missing in backups of other programs
    WallTime allocated_at;
    std::optional<WallTime> expires_at;
    std::uint32_t uid{0};
};

struct Restored {
    std::vector<ksms_lease> restored;
    std::vector<std::string> left_out;  ///< each with the reason
};

/// Whether the process started before this time. Otherwise its PID was reused.
[[nodiscard]] bool started_before(const ProcessId& process, WallTime moment, WallTime now);

/// Omits expired leases and those of dead owners. A lease that the same owner already holds stays.
/// @return Code::no_dscp if a DSCP or a job has another holder; then nothing is restored
Result<Restored> restore(const Registry& registry, const std::vector<SavedLease>& saved,
                         WallTime now, const Surroundings& surroundings = {});

}  // namespace ksms
