// SPDX-License-Identifier: BSD-2-Clause
#include "registry/upgrade.hpp"

#include <fmt/format.h>

#include "base/clock.hpp"
#include "bpf/other_abi.hpp"
#include "registry/registry.hpp"
#include "registry/restore.hpp"

namespace ksms {
namespace {

bool lives(const OtherLease& lease, const Surroundings& surroundings) {
    if (lease.expires_ns != 0 && lease.expires_ns <= surroundings.monotonic()) return false;
    // Without an owner or an end: somebody has begun to write it and never ended.
    if (lease.owner_pid == 0) return lease.expires_ns != 0;
    return surroundings.alive({lease.owner_pid, lease.owner_start});
}

SavedLease saved(const OtherLease& lease, std::uint64_t epoch_ns) {
    SavedLease result;
    result.job = is_job_name(lease.job) ? lease.job : fmt::format("repaired.{}", lease.dscp);
    result.user = lease.user;
    result.dscp = static_cast<std::uint8_t>(lease.dscp);
    result.uid = lease.uid;
    result.allocated_at = lease.allocated_at;
    if (lease.owner_pid != 0) {
        result.pid = lease.owner_pid;
        result.start = lease.owner_start;
    }
    if (lease.expires_ns != 0) result.expires_at = lease.expires_ns + epoch_ns;
    return result;
}

Status carry(const PinRoot& from, const PinRoot& to, const RegistryLimits& limits,
             const Surroundings& surroundings) {
    KSMS_TRY(const auto other, find_other_abi(from));
    if (!other) return {};
    KSMS_TRY(const auto pins, RegistryPins::open_installed(to, false));
    // Whatever range that version was told, what is held stays held.
    auto all = limits;
    all.dscp_min = 0;
    all.dscp_max = KSMS_DSCPS - 1;
    all.excluded = 0;
    all.max_jobs = KSMS_DSCPS;
    const Registry registry(pins, all, surroundings);
    const auto now = surroundings.monotonic(), epoch = realtime_ns() - now;
    for (const auto& lease : other->leases) {
        if (!lives(lease, surroundings)) continue;
        KSMS_TRY([[maybe_unused]] const auto given,
                 registry.give(saved(lease, epoch), now + epoch));
    }
    return {};
}

/// The lease of a scan that runs; none: nullptr.
const OtherLease* running_scan(const OtherAbi& other, const Surroundings& surroundings) {
    for (const auto& lease : other.leases)
        if ((other.active_scans >> lease.dscp & 1) != 0 && lives(lease, surroundings))
            return &lease;
    return nullptr;
}

}  // namespace

Result<std::optional<Finding>> check_version(const PinRoot& root, const RegistryLimits& limits,
                                             bool repair, const Surroundings& surroundings) {
    KSMS_TRY(const auto other, find_other_abi(root));
    if (!other) return std::nullopt;
    Finding finding;
    finding.what = fmt::format("the maps under {} have ABI version {}, this program has {}",
                               root.path, other->version, KSMS_ABI_VERSION);
    finding.why = "this version can neither read nor change them: no job is given a DSCP";
    if (other->version > KSMS_ABI_VERSION) {
        finding.remedy = "nothing: a newer ksms has installed them, use its ksmsctl";
        return finding;
    }
    if (const auto* scan = running_scan(*other, surroundings)) {
        finding.remedy =
            fmt::format("nothing while a scan of that version runs (DSCP {}, pid {}): wait for it",
                        scan->dscp, scan->owner_pid);
        return finding;
    }
    std::size_t kept = 0;
    for (const auto& lease : other->leases) kept += lives(lease, surroundings) ? 1 : 0;
    finding.remedy = fmt::format(
        "set up anew; {} leases are held and stay held, taps that stand are to be attached again",
        kept);
    if (!repair) return finding;
    KSMS_CHECK(replace_other_abi(root, [&](const PinRoot& from, const PinRoot& to) {
        return carry(from, to, limits, surroundings);
    }));
    finding.repaired = true;
    return finding;
}

}  // namespace ksms
