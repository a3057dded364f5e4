// SPDX-License-Identifier: BSD-2-Clause
#include "registry/restore.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "registry/refusal.hpp"

namespace ksms {
namespace {

/// Why a lease cannot be restored; "": it can.
Result<std::string> over(const SavedLease& lease, WallTime now, const Surroundings& surroundings) {
    const auto name = fmt::format("job {} (DSCP {})", lease.job, lease.dscp);
    if (lease.expires_at && *lease.expires_at <= now)
        return fmt::format("{} is left out: its time is over", name);
    if (!lease.pid) return std::string();
    const auto process = process_id(*lease.pid);
    if (!process && process.error().code != Code::not_found)
        return std::unexpected(process.error());
    const bool alive = lease.start ? surroundings.alive({*lease.pid, *lease.start})
                                   : process && started_before(*process, lease.allocated_at, now);
    return alive
               ? std::string()
               : fmt::format("{} is left out: its owner, process {}, has ended", name, *lease.pid);
}

}  // namespace

bool started_before(const ProcessId& process, WallTime moment, WallTime now) {
    using Tick = std::chrono::duration<std::uint64_t, std::centi>;  // USER_HZ is 100 (proc(5))
    timespec up{};
    clock_gettime(CLOCK_BOOTTIME, &up);
    const auto up_for = std::chrono::seconds(up.tv_sec) + nanoseconds(up.tv_nsec);
    const auto boot = now - std::min<WallTime::duration>(now.time_since_epoch(), up_for);
    return boot + Tick(process.start) <= moment + Tick(1);
}

Result<Restored> restore(const Registry& registry, const std::vector<SavedLease>& saved,
                         WallTime now, const Surroundings& surroundings) {
    Restored result;
    std::vector<Lease> taken;
    const auto give_back = [&] {
        for (const auto& lease : taken) {
            [[maybe_unused]] const auto released = registry.release(lease.dscp, lease.generation);
        }
    };
    for (const auto& lease : saved) {
        auto looked = over(lease, now, surroundings);
        if (!looked) {
            give_back();
            return std::unexpected(std::move(looked).error());
        }
        auto& why = *looked;
        if (!why.empty()) {
            result.left_out.push_back(std::move(why));
            continue;
        }
        auto given = registry.give(lease, now);
        if (!given) {
            give_back();
            return std::unexpected(std::move(given).error());
        }
        if (!given->found) taken.push_back(*given);
        result.restored.push_back(given->record);
    }
    return result;
}

}  // namespace ksms
