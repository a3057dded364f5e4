// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl registry allocate|exec|renew|release.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <limits>

#include "base/clock.hpp"
#include "cli/registry_command.hpp"
#include "os/descriptor_limit.hpp"
#include "os/signals.hpp"
#include "output/leases.hpp"

namespace ksms {
namespace {

constexpr double kLongestTtl = 30.0 * 24 * 3600;  // seconds
constexpr double kLongestLeaseWait = 24.0 * 3600;

/// The owner must be named, because the caller's parent may be a short-lived shell.
Result<std::optional<ProcessId>> named_owner(const Arguments& arguments) {
    KSMS_TRY(const auto pid, arguments.number("pid", 1, std::numeric_limits<pid_t>::max()));
    const bool none = arguments.has("no-owner");
    if (pid.has_value() == none)
        return fail(Code::usage, "name the owner: --pid PID, or --no-owner with --ttl SECONDS",
                    "in a shell, --pid $$ is the shell itself");
    if (none && !arguments.has("ttl"))
        return fail(Code::usage,
                    "--no-owner needs --ttl SECONDS: nothing else would end the lease");
    if (none) return std::nullopt;
    KSMS_TRY(const auto process, process_id(static_cast<std::uint32_t>(*pid)));
    return process;
}

/// The common options of allocate and exec.
Result<LeaseRequest> request_of(const char* command, const Arguments& arguments) {
    LeaseRequest request;
    const auto job = arguments.text("job");
    if (!job) return fail(Code::usage, fmt::format("{} needs --job ID", command));
    request.job = *job;
    KSMS_TRY(const auto ttl, arguments.seconds("ttl", 0.001, kLongestTtl));
    if (ttl) request.ttl = *ttl;
    KSMS_TRY(const auto dscp, arguments.number("dscp", 0, KSMS_DSCPS - 1));
    if (dscp) request.dscp = static_cast<std::uint8_t>(*dscp);
    request.user = arguments.text("user").value_or(user_name());
    return request;
}

Result<Lease> allocate(Context& context, const RegistryAccess& access, const LeaseRequest& request,
                       const Arguments& arguments) {
    KSMS_TRY(const auto wait, arguments.seconds("wait", 0, kLongestLeaseWait));
    const Registry registry(access.pins, access.limits);
    return registry.allocate(request, wait.value_or(nanoseconds(0)), &context.stop);
}

Result<int> run_allocate(Context& context, const Arguments& arguments) {
    KSMS_TRY(auto request, request_of("registry allocate", arguments));
    KSMS_TRY(request.owner, named_owner(arguments));
    KSMS_TRY(const auto access, open_registry(context));
    KSMS_TRY(const auto lease, allocate(context, access, request, arguments));
    print_leases(context, {lease.record}, fmt::format("{}\n", lease.dscp));
    const auto told = context.console.finish();
    if (told) return 0;
    // The caller does not know the DSCP and could not release it.
    if (!lease.found)
        KSMS_CHECK(Registry(access.pins, access.limits).release(lease.dscp, lease.generation));
    return std::unexpected(told.error());
}

/// Replaces this process by the command, which then owns the lease. The lease ends with it.
Result<int> run_exec(Context& context, const Arguments& arguments) {
    if (arguments.rest.empty())
        return fail(Code::usage, "registry exec needs a command: --job ID -- COMMAND…");
    KSMS_TRY(auto request, request_of("registry exec", arguments));
    KSMS_TRY(request.owner, this_process());
    request.endless = request.ttl == nanoseconds(0);
    KSMS_TRY(const auto access, open_registry(context));
    KSMS_TRY(const auto lease, allocate(context, access, request, arguments));
    setenv("KSMS_JOB_DSCP", std::to_string(lease.dscp).c_str(), 1);
    setenv("KSMS_JOB_ID", request.job.c_str(), 1);
    std::vector<char*> line;
    for (const auto& word : arguments.rest) line.push_back(const_cast<char*>(word.c_str()));
    line.push_back(nullptr);
    // The inherited descriptor keeps the registry alive if the pins are removed, because the DSCP
    // is in use.
    fcntl(access.pins.program.get(), F_SETFD, 0);
    release_signals();
    restore_descriptor_limit();
    execvp(line.front(), line.data());
    const int err = errno;
    const Registry registry(access.pins, access.limits);
    KSMS_TRY([[maybe_unused]] const bool released, registry.release(lease.dscp, lease.generation));
    return fail_errno(err, "run " + arguments.rest.front());
}

Result<int> run_release(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    const auto lease = named_lease(registry, arguments);
    if (!lease && lease.error().code == Code::not_found && arguments.has("if-exists")) {
        print_leases(context, {}, "");
        return 0;
    }
    if (!lease) return std::unexpected(lease.error());
    const auto dscp = static_cast<std::uint8_t>(lease->dscp);
    KSMS_TRY(const bool released, registry.release(dscp, generation_of(*lease)));
    if (!released && !arguments.has("if-exists"))
        return fail(Code::not_found,
                    fmt::format("DSCP {} is not held by {} any more", dscp, holder_of(*lease)));
    print_leases(context, {*lease}, "");
    return 0;
}

Result<int> run_renew(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto ttl, arguments.seconds("ttl", 0.001, kLongestTtl));
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    KSMS_TRY(const auto lease, named_lease(registry, arguments));
    const auto dscp = static_cast<std::uint8_t>(lease.dscp);
    KSMS_CHECK(registry.renew(dscp, generation_of(lease), ttl.value_or(access.limits.ttl)));
    KSMS_TRY(const auto renewed, registry.find_dscp(dscp));
    print_leases(context, {renewed}, "");
    return 0;
}

constexpr std::array kRelease{
    Option{"job", "ID", "job name of the lease"}, Option{"dscp", "N", "DSCP of the lease"},
    Option{"if-exists", nullptr, "exit with 0 if there is no such lease"}};
constexpr std::array kRenew{Option{"job", "ID", "job name of the lease"},
                            Option{"dscp", "N", "DSCP of the lease"},
                            Option{"ttl", "SECONDS", "from now on (the configured time to live)"}};
constexpr Option kJob{"job", "ID", "job name of the lease: letters, digits or . _ : @ + -"};
constexpr Option kDscp{"dscp", "N", "use this DSCP (the lowest free)"};
constexpr Option kUser{"user", "NAME", "user name of the lease (the caller)"};
constexpr Option kLeaseWait{"wait", "SECONDS",
                            "wait for a free DSCP, first come, first served (0)"};
constexpr std::array kAllocate{
    kJob,
    Option{"pid", "PID", "owner of the lease, which ends with that process"},
    Option{"no-owner", nullptr, "no owner: the lease ends with its time to live"},
    Option{"ttl", "SECONDS", "time to live (the configured one)"},
    kDscp,
    kUser,
    kLeaseWait};
constexpr std::array kExec{kJob,
                           Option{"ttl", "SECONDS", "time to live (none: while COMMAND runs)"},
                           kDscp, kUser, kLeaseWait};

constexpr std::array kHoldCommands{
    Command{"registry allocate", "--job ID (--pid PID | --no-owner --ttl SECONDS)",
            "Allocate a DSCP and print it", kAllocate, 0, 0, false, run_allocate},
    Command{"registry exec", "--job ID -- COMMAND…", "Run COMMAND with a DSCP in KSMS_JOB_DSCP",
            kExec, 0, 0, true, run_exec},
    Command{"registry renew", "--job ID | --dscp N", "Restart the time to live of a lease", kRenew,
            0, 0, false, run_renew},
    Command{"registry release", "--job ID | --dscp N", "Release a DSCP", kRelease, 0, 0, false,
            run_release}};

}  // namespace

std::span<const Command> registry_hold_commands() {
    return kHoldCommands;
}

}  // namespace ksms
