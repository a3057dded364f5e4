// SPDX-License-Identifier: BSD-2-Clause
#include "registry/registry.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"
#include "bpf/attach.hpp"
#include "registry/refusal.hpp"

namespace ksms {
namespace {

// A conflicting call is between two steps of a BPF program, which takes microseconds, unless the
// scheduler or a cgroup quota has preempted it.
constexpr std::chrono::seconds kPatience{5};
constexpr int kSpins = 64, kYields = 1024;
constexpr int kReads = 1000;

constexpr const char* kListHint = "`ksmsctl registry list` shows all";

ksms_registry_call call_for(std::uint32_t dscp, Generation generation, ksms_registry_op op) {
    ksms_registry_call call{};
    call.dscp = dscp;
    call.generation = generation.value();
    call.op = op;
    return call;
}

bool same_lease(const ksms_lease& first, const ksms_lease& second) {
    return is_held(second) && generation_of(first) == generation_of(second);
}

void step_aside(int attempt) {
    if (attempt < kSpins) return;
    if (attempt < kYields)
        sched_yield();
    else
        poll(nullptr, 0, 1);
}

Error too_busy() {
    return fail(Code::failed, "the registry is too busy: other callers have not finished",
                "try again")
        .error();
}

}  // namespace

Result<std::uint32_t> Registry::transact(ksms_registry_call& call) const {
    const int program = pins_.program.get();
    std::optional<Instant> until;
    for (int attempt = 0;; ++attempt) {
        KSMS_TRY(const auto done, call_program(program, &call, sizeof call));
        if (done != 0)
            return fail(Code::failed, fmt::format("the registry program returned {}", done));
        if (call.result != EAGAIN) return call.result;
        const auto now = monotonic();
        if (!until) until = now + kPatience;
        if (now >= *until) return std::unexpected(too_busy());
        step_aside(attempt);
    }
}

/// Reads a record consistently: the generation is the same before and after.
Result<std::optional<ksms_lease>> Registry::read(std::uint32_t dscp) const {
    for (int attempt = 0; attempt < kReads; ++attempt) {
        KSMS_TRY(const auto first, pins_.leases.lookup(dscp));
        if (!first || !is_held(*first)) return std::nullopt;
        KSMS_TRY(const auto second, pins_.leases.lookup(dscp));
        if (second && same_lease(*first, *second)) return first;
    }
    return std::unexpected(too_busy());
}

Result<std::vector<ksms_lease>> Registry::list() const {
    KSMS_TRY(const auto first, pins_.leases.array());
    if (std::ranges::none_of(first, is_held)) return std::vector<ksms_lease>();
    KSMS_TRY(const auto second, pins_.leases.array());
    std::vector<ksms_lease> held;
    for (std::uint32_t dscp = 0; dscp < KSMS_DSCPS; ++dscp) {
        if (!is_held(first[dscp])) continue;
        if (same_lease(first[dscp], second[dscp])) {
            held.push_back(first[dscp]);
            continue;
        }
        KSMS_TRY(const auto lease, read(dscp));
        if (lease) held.push_back(*lease);
    }
    return held;
}

Result<ksms_lease> Registry::find_job(const std::string& job) const {
    KSMS_TRY(const auto held, list());
    const auto found = std::ranges::find(held, job, job_of);
    if (found != held.end()) return *found;
    return fail(Code::not_found, fmt::format("no job {} holds a DSCP", job), kListHint);
}

Result<ksms_lease> Registry::find_dscp(std::uint8_t dscp) const {
    KSMS_TRY(const auto lease, read(dscp));
    if (lease) return *lease;
    return fail(Code::not_found, fmt::format("nobody holds DSCP {}", dscp), kListHint);
}

Result<std::vector<ksms_lease>> Registry::reap() const {
    std::vector<ksms_lease> reaped;
    KSMS_TRY(const auto held, list());
    for (const auto& lease : held) {
        if (!is_over(lease, surroundings_)) continue;
        auto call = call_for(lease.dscp, generation_of(lease), KSMS_OP_REAP);
        call.owner_pid = lease.owner_pid;
        call.owner_start = lease.owner_start;
        call.expires_ns = lease.expires_ns;
        KSMS_TRY(const auto result, transact(call));
        if (result == 0) reaped.push_back(lease);
    }
    return reaped;
}

std::unexpected<Error> Registry::refused(const LeaseRequest& request,
                                         const ksms_registry_call& call) const {
    if (call.result == EUSERS) {
        KSMS_TRY(const auto by, read(call.dscp));
        if (by) return std::unexpected(job_taken(*by));
        return fail(Code::no_dscp,
                    fmt::format("another owner released the job {} only now", request.job),
                    "try again");
    }
    if (request.dscp) {
        KSMS_TRY(const auto by, read(*request.dscp));
        if (by) return std::unexpected(dscp_taken(*by));
    }
    KSMS_TRY(const auto held, list());
    const auto uid = getuid();
    if (uid != 0 && std::ranges::count(held, uid, &ksms_lease::uid) >= limits_.user_leases)
        return std::unexpected(user_is_full(limits_));
    return std::unexpected(none_free(held, limits_));
}

Result<Lease> Registry::answer(const LeaseRequest& request, const ksms_registry_call& call) const {
    if (call.result == EBUSY || call.result == EUSERS) return refused(request, call);
    if (call.result == ERANGE)
        return std::unexpected(too_long(from_ns(call.request.ttl_ns), limits_));
    if (call.result != 0 && call.result != EEXIST)
        return std::unexpected(not_given(request, call.result, limits_));
    Lease lease;
    lease.dscp = static_cast<std::uint8_t>(call.dscp);
    lease.generation = Generation(call.generation);
    lease.found = call.result == EEXIST;
    if (lease.found) {
        KSMS_TRY(const auto record, read(call.dscp));
        if (!record || generation_of(*record) != lease.generation)
            return fail(Code::no_dscp,
                        fmt::format("the lease of DSCP {} for the job {} ended at once", call.dscp,
                                    request.job),
                        "a longer time to live");
        lease.record = *record;
        if (request.dscp && *request.dscp != lease.dscp)
            return std::unexpected(job_holds_another(lease.record, *request.dscp));
        return lease;
    }
    lease.record = record_of(call);
    return lease;
}

Result<Lease> Registry::allocate(const LeaseRequest& request, nanoseconds wait,
                                 const std::atomic<int>* stop) const {
    if (pins_.unwatched.take()) {
        KSMS_TRY([[maybe_unused]] const auto reaped, reap());
    }
    std::optional<Instant> until;
    if (wait != nanoseconds(0)) until = monotonic() + wait;
    KSMS_TRY(const auto call, ask(request, until, stop));
    return answer(request, call);
}

Status Registry::renew(std::uint8_t dscp, Generation generation, nanoseconds ttl) const {
    auto call = call_for(dscp, generation, KSMS_OP_RENEW);
    call.ttl_ns = in_ns(ttl);
    KSMS_TRY(const auto result, transact(call));
    if (result == 0) return {};
    if (result == EINVAL)
        return fail(
            Code::usage,
            fmt::format("no process owns the lease of DSCP {}: it needs a time to live", dscp));
    if (result == ERANGE) return std::unexpected(too_long(ttl, limits_));
    if (result == EPERM) return std::unexpected(others_lease(dscp));
    return fail(
        Code::not_found,
        fmt::format("DSCP {} is not held under generation {} any more", dscp, generation.value()),
        kListHint);
}

Result<bool> Registry::release(std::uint8_t dscp, Generation generation) const {
    auto call = call_for(dscp, generation, KSMS_OP_RELEASE);
    KSMS_TRY(const auto result, transact(call));
    if (result == EPERM) return std::unexpected(others_lease(dscp));
    return result == 0;
}

Status Registry::occupy(const Lease& lease) const {
    auto call = call_for(lease.dscp, lease.generation, KSMS_OP_OCCUPY);
    KSMS_TRY(const auto result, transact(call));
    if (result == 0) return {};
    if (result == EPERM) return std::unexpected(others_lease(lease.dscp));
    if (result != EBUSY)
        return fail(Code::not_found, fmt::format("the lease of DSCP {} has ended", lease.dscp),
                    kListHint);
    KSMS_TRY(const auto record, read(lease.dscp));
    const auto pid = record ? ksms_process_word_pid(record->scanning) : 0;
    return fail(
        Code::no_dscp,
        fmt::format("a scan (pid {}) runs under the job {} already", pid, job_of(lease.record)),
        "one scan at a time uses a lease; wait for it, or leave --job out");
}

Status Registry::vacate(const Lease& lease) const {
    auto call = call_for(lease.dscp, lease.generation, KSMS_OP_VACATE);
    KSMS_TRY([[maybe_unused]] const auto result, transact(call));
    return {};
}

Result<bool> Registry::holds(std::uint8_t dscp, Generation generation) const {
    KSMS_TRY(const auto lease, pins_.leases.lookup(dscp));
    return lease && is_held(*lease) && generation_of(*lease) == generation;
}

Result<ksms_registry> Registry::figures() const {
    KSMS_TRY(const auto figures, pins_.figures.lookup(0));
    return figures.value_or(ksms_registry{});
}

}  // namespace ksms
