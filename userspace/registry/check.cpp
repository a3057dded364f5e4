// SPDX-License-Identifier: BSD-2-Clause
#include "registry/check.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <set>

#include "registry/registry.hpp"

namespace ksms {
namespace {

// What a program of the kernel's does in microseconds is stuck if it is the same all this time. One
// that a busy machine took off its processor in between is not: who looks stuck is watched longer.
constexpr int kLook = 20;  // ms
constexpr int kLooks = 50;

bool is_between_steps(const ksms_lease& lease) {
    const auto what = lease.state & 0xff;
    return what == KSMS_LEASE_BUSY || what == KSMS_LEASE_CLAIMED || what == KSMS_LEASE_CHANGING;
}

/// Whatever changes meanwhile is no longer as it was before.
/// @return whether anything is still stuck
bool forget_changed(std::vector<ksms_lease>& before, const std::vector<ksms_lease>& now) {
    constexpr std::uint64_t kChanged = ~std::uint64_t{0};  // a state that none has
    bool stuck = false;
    for (std::size_t i = 0; i < now.size(); ++i) {
        if (before[i].state != now[i].state) before[i].state = kChanged;
        stuck |= before[i].state == now[i].state && is_between_steps(now[i]);
    }
    return stuck;
}

/// What the kernel goes by, against what is configured.
Status check_limits(const RegistryPins& pins, const RegistryLimits& limits, bool repair,
                    std::vector<Finding>& found) {
    KSMS_TRY(const auto now, pins.limits.lookup(0));
    // Installed just now: nobody has been given anything.
    if (!now || now->dscps == 0) return repair ? set_limits(pins, limits) : Status();
    KSMS_TRY(const bool same, limits_in_force(pins, limits));
    if (same) return {};
    found.push_back(
        {"the limits in the kernel are not the configured ones",
         "root has set others, or none: what may be given out, to whom and for how long",
         "set right", repair && set_limits(pins, limits).has_value()});
    return {};
}

/// Leases that the kernel's hook should have freed.
Status check_ended(const RegistryPins& pins, const RegistryLimits& limits, bool repair,
                   const Surroundings& surroundings, std::vector<Finding>& found) {
    const Registry registry(pins, limits, surroundings);
    KSMS_TRY(auto over, registry.list());
    std::erase_if(over, [&](const auto& lease) { return !is_over(lease, surroundings); });
    if (over.empty()) return {};
    std::vector<ksms_lease> reaped;
    if (repair) {
        KSMS_TRY(reaped, registry.reap());
    }
    for (const auto& lease : over)
        found.push_back(
            {fmt::format("DSCP {} ({}): its owner has ended, or its time is over", lease.dscp,
                         holder_of(lease)),
             "the kernel's hook did not see it: it was missing, or the entry was written by hand",
             "freed", std::ranges::find(reaped, lease.dscp, &ksms_lease::dscp) != reaped.end()});
    return {};
}

/// Why an entry cannot be true, "" where it can.
std::string fault_of(const ksms_lease& lease, std::uint32_t dscp, bool stuck,
                     std::set<std::string>& jobs) {
    if ((lease.state & 0xff) > KSMS_LEASE_CHANGING) return "its state is none";
    if (stuck) return "somebody has begun to change it and never ended";
    if (!is_held(lease)) return {};
    if (lease.dscp != dscp) return fmt::format("the entry says DSCP {}", lease.dscp);
    if (!is_job_name(job_of(lease))) return "its job has no proper name";
    return jobs.insert(job_of(lease)).second ? "" : "its job holds another DSCP, too";
}

/// Entries that no program of the kernel's leaves so.
Status check_entries(const RegistryPins& pins, std::vector<Finding>& found) {
    KSMS_TRY(auto before, pins.leases.array());
    auto now = before;
    for (int look = 0; look < kLooks && forget_changed(before, now); ++look) {
        poll(nullptr, 0, kLook);
        KSMS_TRY(now, pins.leases.array());
    }
    std::set<std::string> jobs;
    for (std::uint32_t dscp = 0; dscp < now.size(); ++dscp) {
        const auto& lease = now[dscp];
        const bool stuck = before[dscp].state == lease.state && is_between_steps(lease);
        const auto fault = fault_of(lease, dscp, stuck, jobs);
        if (fault.empty()) continue;
        found.push_back(
            {fmt::format("DSCP {}: {}", dscp, fault),
             "the entry was written by hand: nobody can have this DSCP, or give it back",
             "nothing; `ksmsctl uninstall --force` once no scan runs, and the next "
             "command installs anew"});
    }
    return {};
}

}  // namespace

Result<std::vector<Finding>> check_leases(const RegistryPins& pins, const RegistryLimits& limits,
                                          bool repair, const Surroundings& surroundings) {
    std::vector<Finding> found;
    KSMS_CHECK(check_limits(pins, limits, repair, found));
    KSMS_CHECK(check_ended(pins, limits, repair, surroundings, found));
    KSMS_CHECK(check_entries(pins, found));
    return found;
}

}  // namespace ksms
