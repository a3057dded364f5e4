// SPDX-License-Identifier: BSD-2-Clause
#include "registry/refusal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "registry/record.hpp"

namespace ksms {
namespace {

constexpr const char* kHint = "`ksmsctl registry list` shows all; --wait SECONDS waits for one";

/// Any name of a user database, UTF-8 too, but nothing that steers a terminal.
bool is_user_name(const std::string& user) {
    return !user.empty() && user.size() < KSMS_NAME_LENGTH &&
           std::ranges::none_of(user, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

Status check_request(const LeaseRequest& request, const RegistryLimits& limits) {
    if (!is_job_name(request.job))
        return fail(Code::usage, fmt::format("'{}' is no name of a job", request.job),
                    "1 to 63 letters, digits or any of . _ : @ + -");
    if (!is_user_name(request.user))
        return fail(Code::usage, fmt::format("'{}' is no name of a user", request.user),
                    "1 to 63 bytes, no control characters");
    if (!request.dscp) return {};
    const auto dscp = *request.dscp;
    if (dscp < KSMS_DSCPS && (range_mask(limits) >> dscp & 1) != 0) return {};
    return fail(
        Code::usage,
        fmt::format("DSCP {} is not one of the registry's ({} to {}{})", dscp, limits.dscp_min,
                    limits.dscp_max, limits.excluded == 0 ? "" : " without dscp_exclude"),
        "dscp_range_min, dscp_range_max and dscp_exclude of the configuration say which are");
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

Error not_given(const LeaseRequest& request, std::uint32_t result) {
    const auto pid = request.owner ? request.owner->pid : 0;
    switch (result) {
        case ESRCH:
            return fail(Code::not_found, fmt::format("the process {} has ended", pid),
                        "name one that runs: in a shell, --pid $$ is the shell itself")
                .error();
        case EPERM:
            return fail(Code::not_allowed, fmt::format("the process {} is another user's", pid),
                        "own the lease by a process of yours, or run it as root (sudo)")
                .error();
        case EINVAL: return fail(Code::usage, "a lease needs an owner or a time to live").error();
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
