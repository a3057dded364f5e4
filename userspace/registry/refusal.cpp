// SPDX-License-Identifier: BSD-2-Clause
#include "registry/refusal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "registry/record.hpp"

namespace ksms {
namespace {

constexpr const char* kHint = "`ksmsctl registry list` shows all; --wait SECONDS waits for one";

Error service_name(const std::string& job) {
    return fail(Code::not_allowed,
                fmt::format("{}: names that begin with {} are the service's", job,
                            KSMS_SERVICE_PREFIX),
                "choose another --job")
        .error();
}

Status check_dscp(std::uint8_t dscp, const RegistryLimits& limits) {
    const auto allowed = kernel_limits(limits);
    const auto bit = dscp < KSMS_DSCPS ? std::uint64_t{1} << dscp : 0;
    if ((allowed.dscps & bit) == 0)
        return fail(
            Code::usage,
            fmt::format("DSCP {} is not one of the registry's ({} to {}{})", dscp, limits.dscp_min,
                        limits.dscp_max, limits.excluded == 0 ? "" : " without dscp_exclude"),
            "dscp_range_min, dscp_range_max and dscp_exclude of the configuration say which are");
    if (geteuid() == 0 || (allowed.member_dscps & bit) != 0) return {};
    return fail(Code::not_allowed, fmt::format("DSCP {} is kept for root", dscp),
                "ksms.root_reserve of the configuration says how many are");
}

std::string seconds_text(nanoseconds time) {
    return fmt::format("{:g} s", Seconds(time).count());
}

std::uint32_t owner_pid(const LeaseRequest& request) {
    return request.owner ? request.owner->pid : 0;
}

}  // namespace

bool is_user_name(const std::string& user) {
    return !user.empty() && user.size() < KSMS_NAME_LENGTH &&
           std::ranges::none_of(user, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Error owner_ended(const LeaseRequest& request) {
    return fail(Code::not_found, fmt::format("the process {} has ended", owner_pid(request)),
                "name a running process: in a shell, --pid $$ is the shell itself")
        .error();
}

Error too_long(nanoseconds ttl, const RegistryLimits& limits) {
    const auto longest = geteuid() == 0 ? from_ns(KSMS_LONGEST_NS) : limits.longest;
    return fail(Code::usage,
                fmt::format("a time to live of {} is longer than {}", seconds_text(ttl),
                            seconds_text(longest)),
                geteuid() == 0 ? "" : "ksms.max_ttl of the configuration is the longest")
        .error();
}

Error user_is_full(const RegistryLimits& limits) {
    return fail(Code::no_dscp,
                fmt::format("{} DSCPs are held by this user already, as many as one may hold",
                            limits.user_leases),
                "release one, or --wait SECONDS for one; ksms.max_leases_user of the configuration "
                "is the limit")
        .error();
}

Status check_request(const LeaseRequest& request, const RegistryLimits& limits) {
    if (!is_job_name(request.job))
        return fail(Code::usage, fmt::format("'{}' is no name of a job", request.job),
                    "1 to 63 letters, digits or any of . _ : @ + -");
    if (geteuid() != 0 && request.job.starts_with(KSMS_SERVICE_PREFIX))
        return std::unexpected(service_name(request.job));
    if (!is_user_name(request.user))
        return fail(Code::usage, fmt::format("'{}' is not the name of a user", request.user),
                    "1 to 63 bytes, no control characters");
    return request.dscp ? check_dscp(*request.dscp, limits) : Status();
}

Error job_taken(const ksms_lease& by) {
    return fail(Code::no_dscp,
                fmt::format("the job {} holds DSCP {} already, by another owner: {}", job_of(by),
                            by.dscp, holder_of(by)),
                "choose another --job")
        .error();
}

Error dscp_taken(const ksms_lease& by) {
    return fail(Code::no_dscp, fmt::format("DSCP {} is held by {}", by.dscp, holder_of(by)), kHint)
        .error();
}

Error job_holds_another(const ksms_lease& lease, std::uint8_t wanted) {
    return fail(Code::no_dscp,
                fmt::format("the job {} holds DSCP {} already, not {}", job_of(lease), lease.dscp,
                            wanted),
                "leave --dscp out, or choose another --job")
        .error();
}

Error others_lease(std::uint8_t dscp) {
    return fail(Code::not_allowed, fmt::format("the lease of DSCP {} is another user's", dscp),
                "its user may do that, and root (sudo)")
        .error();
}

Error not_given(const LeaseRequest& request, std::uint32_t result, const RegistryLimits& limits) {
    switch (result) {
        case EDQUOT: return user_is_full(limits);
        case EACCES: return service_name(request.job);
        case EMFILE:
            return fail(Code::no_dscp,
                        fmt::format("{} calls of this user wait for a DSCP already",
                                    limits.user_waiters),
                        "try again later; ksms.max_waiting_user of the configuration is the limit")
                .error();
        case EDOM:
            return fail(Code::no_dscp, "this user may not hold a DSCP",
                        "ksms.root_reserve of the configuration says how many are root's")
                .error();
        case EOPNOTSUPP:
            return fail(Code::not_allowed, "the registry is not for other user namespaces",
                        "run it outside of the container, or as root")
                .error();
        case ESRCH: return owner_ended(request);
        case EPERM:
            return fail(Code::not_allowed,
                        fmt::format("the process {} is another user's", owner_pid(request)),
                        "own the lease by a process of yours, or run it as root (sudo)")
                .error();
        case EINVAL:
            return fail(Code::usage,
                        "a lease needs an owner or a time to live, and names that are text")
                .error();
        case ENOSPC:
            return fail(Code::no_dscp,
                        fmt::format("{} calls wait for a DSCP already", int{KSMS_WAITERS}),
                        "try again later")
                .error();
        default:
            return fail_errno(static_cast<int>(result), "allocate a DSCP for " + request.job)
                .error();
    }
}

Error none_free(const std::vector<ksms_lease>& held, const RegistryLimits& limits) {
    auto text = fmt::format("no DSCP is free: {} of {} are held", held.size(), capacity(limits));
    const auto oldest = std::ranges::min_element(held, {}, &ksms_lease::allocated_ns);
    if (oldest != held.end())
        text += fmt::format(", the longest {} by {}", oldest->dscp, holder_of(*oldest));
    return fail(Code::no_dscp, text, kHint).error();
}

}  // namespace ksms
