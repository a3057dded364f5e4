// SPDX-License-Identifier: BSD-2-Clause
#include "registry/record.hpp"

#include <fmt/format.h>

#include <cstring>

namespace ksms {
namespace {

std::string text_of(const char (&padded)[KSMS_NAME_LENGTH]) {
    return {padded, strnlen(padded, sizeof padded)};
}

}  // namespace

bool is_held(const ksms_lease& lease) {
    const auto what = lease.state & 0xff;
    return what == KSMS_LEASE_HELD || what == KSMS_LEASE_CHANGING;
}

std::uint64_t generation_of(const ksms_lease& lease) {
    return lease.state >> 8;
}

std::string job_of(const ksms_lease& lease) {
    return text_of(lease.job);
}

std::string user_of(const ksms_lease& lease) {
    return text_of(lease.user);
}

std::string holder_of(const ksms_lease& lease) {
    const auto owner =
        lease.owner_pid == 0 ? std::string("no process") : fmt::format("pid {}", lease.owner_pid);
    return fmt::format("job {} of {} ({})", job_of(lease), user_of(lease), owner);
}

bool is_over(const ksms_lease& lease, const Surroundings& surroundings) {
    if (lease.expires_ns != 0 && lease.expires_ns <= surroundings.monotonic()) return true;
    return lease.owner_pid != 0 && !surroundings.alive({lease.owner_pid, lease.owner_start});
}

}  // namespace ksms
