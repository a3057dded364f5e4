// SPDX-License-Identifier: BSD-2-Clause
// A backup of the leases.
#include "cli/backup_file.hpp"

#include <algorithm>
#include <set>

#include "holds.hpp"
#include "registry/registry.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

/// As the table has it where it was restored.
ksms_lease lease_of(const SavedLease& saved) {
    ksms_lease lease{};
    lease.state = 1 << 8 | KSMS_LEASE_HELD;
    lease.dscp = saved.dscp;
    lease.owner_pid = saved.pid.value_or(0);
    lease.owner_start = saved.start.value_or(0);
    lease.uid = saved.uid;
    lease.allocated_ns = saved.allocated_at.time_since_epoch().count();
    lease.expires_ns = saved.expires_at.value_or(WallTime{}).time_since_epoch().count();
    saved.job.copy(lease.job, sizeof lease.job - 1);
    saved.user.copy(lease.user, sizeof lease.user - 1);
    return lease;
}

/// As write_backup() has it, in memory.
std::string written(const std::vector<SavedLease>& saved) {
    std::string text;
    JsonWriter json([&](std::string_view piece) { text += piece; }, false);
    json.begin_object().field("version", 1).key("allocations").begin_object();
    for (const auto& each : saved) {
        json.key(each.job);
        lease_object(json, lease_of(each), {});
    }
    json.end_object().end_object();
    return text;
}

bool same(const SavedLease& a, const SavedLease& b) {
    return a.job == b.job && a.dscp == b.dscp && a.pid == b.pid && a.uid == b.uid;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto saved = parse_backup(text_of(data, size), "FILE");
    if (!saved) {
        holds(saved.error().code == Code::usage && is_utf8(saved.error().message));
        holds(saved.error().message.starts_with("FILE"));
        return 0;
    }
    std::set<unsigned> dscps;
    for (const auto& lease : *saved) {
        holds(is_job_name(lease.job) && lease.dscp < KSMS_DSCPS && lease.pid != 0);
        holds(lease.pid || lease.expires_at);
        holds(dscps.insert(lease.dscp).second);
    }
    // Nothing is owned by nobody for ever: such a lease is not written.
    const bool endless = std::ranges::any_of(*saved, [](const SavedLease& lease) {
        return !lease.pid && lease.expires_at == WallTime{};
    });
    if (endless) return 0;
    const auto again = parse_backup(written(*saved), "FILE");
    holds(again && std::ranges::equal(*again, *saved, same));
    return 0;
}
