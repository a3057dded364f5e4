// SPDX-License-Identifier: BSD-2-Clause
#include "registry/record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ksms {
namespace {

template <std::size_t N>
std::string text_of(const char (&padded)[N]) {
    return {padded, strnlen(padded, N)};
}

}  // namespace

bool is_owner_alive(const ProcessId& process) {
    return !in_initial_pid_namespace() || is_alive(process);
}

bool is_held(const ksms_lease& lease) {
    const auto what = lease.state & 0xff;
    return what == KSMS_LEASE_HELD || what == KSMS_LEASE_CHANGING;
}

Generation generation_of(const ksms_lease& lease) {
    return Generation::of_state(lease.state);
}

std::string job_of(const ksms_lease& lease) {
    return text_of(lease.job);
}

std::string user_of(const ksms_lease& lease) {
    return text_of(lease.user);
}

ksms_lease record_of(const ksms_registry_call& given) {
    const auto& asked = given.request;
    ksms_lease lease{};
    lease.state = Generation(given.generation).state(KSMS_LEASE_HELD);
    lease.owner_start = asked.owner_start;
    lease.owner_pid = asked.owner_pid;
    lease.uid = asked.uid;
    lease.allocated_ns = given.allocated_ns;
    lease.expires_ns = given.expires_ns;
    lease.ttl_ns = asked.ttl_ns;
    lease.dscp = given.dscp;
    std::ranges::copy(asked.job, lease.job);
    std::ranges::copy(asked.user, lease.user);
    return lease;
}

std::string holder_of(const ksms_lease& lease) {
    const auto owner =
        lease.owner_pid == 0 ? std::string("no process") : fmt::format("pid {}", lease.owner_pid);
    return fmt::format("job {} of {} ({})", job_of(lease), user_of(lease), owner);
}

bool is_over(const ksms_lease& lease, const Surroundings& surroundings) {
    if (lease.expires_ns != 0 && instant(lease.expires_ns) <= surroundings.monotonic()) return true;
    if (lease.owner_pid == 0) return lease.expires_ns == 0;  // it would never end
    return !surroundings.alive({lease.owner_pid, lease.owner_start});
}

}  // namespace ksms
