// SPDX-License-Identifier: BSD-2-Clause
#include "registry/registry.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "base/clock.hpp"
#include "bpf/attach.hpp"

namespace ksms {
namespace {

constexpr int kClaimAttempts =
    1000;  // EAGAIN: another caller is between two steps, microseconds away

std::uint64_t range_mask(const RegistryLimits& limits) {
    std::uint64_t mask = 0;
    for (unsigned dscp = limits.dscp_min; dscp <= limits.dscp_max && dscp < KSMS_DSCPS; ++dscp)
        mask |= std::uint64_t{1} << dscp;
    return mask & ~limits.excluded;
}

ksms_lease_state what(const ksms_lease& lease) {
    return static_cast<ksms_lease_state>(lease.state & 0xff);
}

std::uint64_t generation(const ksms_lease& lease) {
    return lease.state >> 8;
}

std::string text_of(const char* padded) {
    return {padded, strnlen(padded, KSMS_NAME_LENGTH)};
}

void put_text(char (&into)[KSMS_NAME_LENGTH], const std::string& text) {
    text.copy(into, sizeof into - 1);
}

std::string holder(const ksms_lease& lease) {
    const auto owner =
        lease.owner_pid == 0 ? std::string("no process") : fmt::format("pid {}", lease.owner_pid);
    return fmt::format("job {} of {} ({})", text_of(lease.job), text_of(lease.user), owner);
}

bool expired(const ksms_lease& lease) {
    return lease.expires_ns != 0 && lease.expires_ns <= monotonic_ns();
}

bool owner_dead(const ksms_lease& lease) {
    return lease.owner_pid != 0 && !is_alive({lease.owner_pid, lease.owner_start});
}

Result<std::uint32_t> transact(const Objects& objects, ksms_registry_call& call) {
    const int program = objects.program(Program::lease);
    for (int attempt = 0; attempt < kClaimAttempts; ++attempt) {
        KSMS_TRY(const auto done, call_program(program, &call, sizeof call));
        if (done != 0)
            return fail(Code::failed, fmt::format("the registry's program answered {}", done));
        if (call.result != EAGAIN) return call.result;
    }
    return fail(Code::failed, "the registry is too busy", "try again");
}

ksms_registry_call call_for(std::uint8_t dscp, std::uint64_t generation, ksms_registry_op op) {
    ksms_registry_call call{};
    call.dscp = dscp;
    call.generation = generation;
    call.op = op;
    return call;
}

}  // namespace

bool is_job_name(const std::string& job) {
    return !job.empty() && job.size() < KSMS_NAME_LENGTH &&
           std::ranges::all_of(
               job,
               [](unsigned char c) {
                   return std::isalnum(c) != 0 || std::strchr("._:@+-", c) != nullptr;
               });
}

std::string make_job_name() {
    return fmt::format("scan-{}-{:04x}", getpid(), (monotonic_ns() / 1000) & 0xffff);
}

Result<std::vector<ksms_lease>> Registry::list() const {
    std::vector<ksms_lease> held;
    for (std::uint32_t dscp = 0; dscp < KSMS_DSCPS; ++dscp) {
        KSMS_TRY(const auto lease, objects_.leases.lookup(dscp));
        if (lease && what(*lease) == KSMS_LEASE_HELD) held.push_back(*lease);
    }
    return held;
}

Result<ksms_lease> Registry::find_job(const std::string& job) const {
    KSMS_TRY(const auto held, list());
    const auto found =
        std::ranges::find_if(held, [&](const auto& lease) { return text_of(lease.job) == job; });
    if (found != held.end()) return *found;
    return fail(Code::not_found, fmt::format("no job {} holds a DSCP", job),
                "`ksmsctl registry list` shows all");
}

Result<ksms_lease> Registry::find_dscp(std::uint8_t dscp) const {
    KSMS_TRY(const auto lease, objects_.leases.lookup(dscp));
    if (lease && what(*lease) == KSMS_LEASE_HELD) return *lease;
    return fail(Code::not_found, fmt::format("nobody holds DSCP {}", dscp),
                "`ksmsctl registry list` shows all");
}

Result<std::vector<ksms_lease>> Registry::reap() const {
    std::vector<ksms_lease> reaped;
    KSMS_TRY(const auto held, list());
    for (const auto& lease : held) {
        if (!expired(lease) && !owner_dead(lease)) continue;
        auto call =
            call_for(static_cast<std::uint8_t>(lease.dscp), generation(lease), KSMS_OP_REAP);
        KSMS_TRY(const auto result, transact(objects_, call));
        if (result == 0) reaped.push_back(lease);
    }
    return reaped;
}

Status Registry::check(const LeaseRequest& request) const {
    if (!is_job_name(request.job))
        return fail(Code::usage, fmt::format("'{}' is no name of a job", request.job),
                    "1 to 63 letters, digits or any of . _ : @ + -");
    if (!request.dscp) return {};
    const auto dscp = *request.dscp;
    if (dscp >= KSMS_DSCPS || (range_mask(limits_) >> dscp & 1) == 0)
        return fail(
            Code::usage,
            fmt::format("DSCP {} is not one of the registry's ({} to {})", dscp, limits_.dscp_min,
                        limits_.dscp_max),
            "dscp_range_min, dscp_range_max and dscp_exclude of the configuration say which are");
    return {};
}

std::unexpected<Error> Registry::refused(const LeaseRequest& request,
                                         const ksms_registry_call& call,
                                         std::uint32_t result) const {
    const std::string hint = "`ksmsctl registry list` shows all; --wait SECONDS waits for one";
    if (result == EUSERS) {
        const auto lease = find_dscp(static_cast<std::uint8_t>(call.dscp));
        return fail(Code::no_dscp,
                    fmt::format("the job {} holds DSCP {} already, by another owner{}", request.job,
                                call.dscp, lease ? ": " + holder(*lease) : std::string()),
                    "choose another --job");
    }
    if (request.dscp) {
        const auto lease = find_dscp(*request.dscp);
        if (lease)
            return fail(Code::no_dscp,
                        fmt::format("DSCP {} is held by {}", *request.dscp, holder(*lease)), hint);
    }
    const auto held = list();
    const auto count = held ? held->size() : 0;
    return fail(Code::no_dscp,
                fmt::format("no DSCP is free: {} of {} are held", count,
                            std::min<std::size_t>(
                                limits_.max_jobs,
                                static_cast<std::size_t>(std::popcount(range_mask(limits_))))),
                hint);
}

Result<Lease> Registry::allocate(const LeaseRequest& request) const {
    KSMS_CHECK(check(request));
    KSMS_CHECK(reap());
    const auto range = request.dscp ? std::uint64_t{1} << *request.dscp : range_mask(limits_);
    ksms_registry_call call{};
    call.op = KSMS_OP_ALLOCATE;
    call.ttl_ns = request.ttl_ns == 0 ? limits_.ttl_ns : request.ttl_ns;
    call.now_realtime = realtime_ns();
    call.max_jobs = limits_.max_jobs;
    call.uid = getuid();
    if (request.owner) {
        call.owner_pid = request.owner->pid;
        call.owner_start = request.owner->start;
    }
    put_text(call.job, request.job);
    put_text(call.user, request.user);
    std::uint32_t result = EBUSY;
    for (const auto allowed : {range & ~request.avoid, range}) {
        call.allowed = allowed;
        KSMS_TRY(result, transact(objects_, call));
        if (result != EBUSY) break;
    }
    if (result != 0 && result != EEXIST) return refused(request, call, result);
    Lease lease;
    lease.dscp = static_cast<std::uint8_t>(call.dscp);
    lease.generation = call.generation;
    lease.found = result == EEXIST;
    KSMS_TRY(lease.record, find_dscp(lease.dscp));
    return lease;
}

Status Registry::renew(std::uint8_t dscp, std::uint64_t lease_generation,
                       std::uint64_t ttl_ns) const {
    auto call = call_for(dscp, lease_generation, KSMS_OP_RENEW);
    call.ttl_ns = ttl_ns;
    KSMS_TRY(const auto result, transact(objects_, call));
    if (result == 0) return {};
    return fail(Code::not_found, fmt::format("DSCP {} is not held under generation {} any more",
                                             dscp, lease_generation));
}

Result<bool> Registry::release(std::uint8_t dscp, std::uint64_t lease_generation) const {
    auto call = call_for(dscp, lease_generation, KSMS_OP_RELEASE);
    KSMS_TRY(const auto result, transact(objects_, call));
    return result == 0;
}

}  // namespace ksms
