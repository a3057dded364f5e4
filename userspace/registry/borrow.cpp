// SPDX-License-Identifier: BSD-2-Clause
#include "registry/borrow.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

#include "registry/refusal.hpp"

namespace ksms {
namespace {

Lease held(const ksms_lease& record) {
    return {static_cast<std::uint8_t>(record.dscp), generation_of(record), record, true};
}

}  // namespace

Result<std::optional<Lease>> borrow_lease(const Registry& registry, const std::string& job,
                                          std::optional<std::uint8_t> dscp,
                                          std::optional<std::uint32_t> sudo_uid) {
    const auto is_own = [sudo_uid](const ksms_lease& lease) {
        return lease.uid == getuid() || lease.uid == sudo_uid;
    };
    if (job.empty() && !dscp) return std::nullopt;
    const auto record = job.empty() ? registry.find_dscp(*dscp) : registry.find_job(job);
    if (!record && record.error().code == Code::not_found) return std::nullopt;
    if (!record) return std::unexpected(record.error());
    if (job.empty() && !is_own(*record)) return std::nullopt;
    if (!is_own(*record)) return std::unexpected(job_taken(*record));
    if (dscp && record->dscp != *dscp) return std::unexpected(job_holds_another(*record, *dscp));
    return held(*record);
}

}  // namespace ksms
