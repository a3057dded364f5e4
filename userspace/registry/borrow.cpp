// SPDX-License-Identifier: BSD-2-Clause
#include "registry/borrow.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "registry/refusal.hpp"

namespace ksms {
namespace {

/// sudo(8) leaves the caller in SUDO_UID; only root is believed to be somebody else.
bool is_own(const ksms_lease& lease) {
    if (lease.uid == getuid()) return true;
    const char* text = ::secure_getenv("SUDO_UID");
    if (getuid() != 0 || text == nullptr) return false;
    const std::string_view digits(text);
    std::uint32_t uid = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), uid);
    return error == std::errc() && end == digits.data() + digits.size() && uid == lease.uid;
}

Lease held(const ksms_lease& record) {
    return {static_cast<std::uint8_t>(record.dscp), generation_of(record), record, true};
}

}  // namespace

Result<std::optional<Lease>> borrow_lease(const Registry& registry, const std::string& job,
                                          std::optional<std::uint8_t> dscp) {
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
