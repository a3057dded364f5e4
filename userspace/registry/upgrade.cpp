// SPDX-License-Identifier: BSD-2-Clause
#include "registry/upgrade.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "bpf/other_abi.hpp"
#include "registry/refusal.hpp"
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

/// That version may have let a member call its job what it liked.
std::string own_name(const OtherLease& lease, const std::vector<OtherLease>& all) {
    const bool may = lease.uid == 0 || !lease.job.starts_with(KSMS_SERVICE_PREFIX);
    const auto first = std::ranges::find(all, lease.job, &OtherLease::job);
    if (is_job_name(lease.job) && may && first->dscp == lease.dscp) return lease.job;
    auto name = fmt::format("repaired.{}", lease.dscp);
    while (std::ranges::find(all, name, &OtherLease::job) != all.end()) name += '_';
    return name;
}

/// @param now  CLOCK_MONOTONIC
/// @param epoch_ns  since the epoch, at the zero of CLOCK_MONOTONIC
SavedLease saved(const OtherLease& lease, std::uint64_t now, std::uint64_t epoch_ns,
                 const RegistryLimits& limits) {
    SavedLease result;
    result.user = is_user_name(lease.user) ? lease.user : fmt::format("uid:{}", lease.uid);
    result.dscp = static_cast<std::uint8_t>(lease.dscp);
    result.uid = lease.uid;
    result.allocated_at = now + epoch_ns;
    if (lease.owner_pid != 0) {
        result.pid = lease.owner_pid;
        result.start = lease.owner_start;
    }
    // That version may have given it for centuries.
    const auto longest = lease.uid == 0 ? std::uint64_t{KSMS_LONGEST_NS} : limits.longest_ns;
    if (lease.expires_ns != 0)
        result.expires_at = now + epoch_ns + std::min(lease.expires_ns - now, longest);
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
    const Registry registry(pins, all, surroundings);
    const auto now = surroundings.monotonic(), epoch = realtime_ns() - now;
    for (const auto& lease : other->leases) {
        if (!lives(lease, surroundings)) continue;
        auto made = saved(lease, now, epoch, limits);
        made.job = own_name(lease, other->leases);
        const auto given = registry.give(made, now + epoch);
        const bool ended = !given && given.error().code == Code::not_found;
        if (!given && !ended) return std::unexpected(given.error());
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
