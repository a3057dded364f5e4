// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl registry …: leases looked at, taken and given back by hand.
#include <fmt/format.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cli/command.hpp"
#include "output/leases.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

constexpr double kLongestTtl = 30.0 * 24 * 3600;  // seconds
constexpr double kLongestWait = 24.0 * 3600;

Status require_root(const char* what) {
    return require_capabilities(fmt::format("`ksmsctl registry {}`", what));
}

void print(Context& context, const std::vector<ksms_lease>& leases, const std::string& text) {
    if (context.console.json())
        write_leases_json(leases, Moment::now(), context.console.pretty(),
                          [&](std::string_view piece) { context.console.write(piece); });
    else
        context.console.write(text);
}

/// The lease that --job or --dscp names.
Result<ksms_lease> named_lease(const Registry& registry, const Arguments& arguments) {
    KSMS_TRY(const auto dscp, arguments.number("dscp", 0, KSMS_DSCPS - 1));
    const auto job = arguments.text("job");
    if (dscp.has_value() == job.has_value())
        return fail(Code::usage, "name the lease by --job ID or by --dscp N",
                    "`ksmsctl registry list` shows both");
    if (job) return registry.find_job(*job);
    return registry.find_dscp(static_cast<std::uint8_t>(*dscp));
}

Result<int> run_list(Context& context, const Arguments&) {
    KSMS_CHECK(require_root("list"));
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    KSMS_TRY(const auto leases, registry.list());
    print(context, leases, leases_text(leases, Moment::now()));
    return 0;
}

Result<int> run_status(Context& context, const Arguments&) {
    KSMS_CHECK(require_root("status"));
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    KSMS_TRY(const auto leases, registry.list());
    RegistryUse use;
    use.capacity = capacity(context.config.limits);
    use.dscps = range_mask(context.config.limits);
    const auto over = std::ranges::count_if(
        leases, [](const auto& lease) { return is_over(lease, Surroundings{}); });
    use.over = static_cast<std::uint32_t>(over);
    use.in_use = static_cast<std::uint32_t>(leases.size()) - use.over;
    if (utilization(use) >= context.config.utilization_warning)
        context.console.warn(fmt::format("{} of {} DSCPs are in use", use.in_use, use.capacity));
    if (context.console.json())
        write_use_json(use, context.console.pretty(),
                       [&](std::string_view piece) { context.console.write(piece); });
    else
        context.console.write(use_text(use));
    return 0;
}

Result<int> run_show(Context& context, const Arguments& arguments) {
    KSMS_CHECK(require_root("show"));
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    KSMS_TRY(const auto lease, named_lease(registry, arguments));
    print(context, {lease}, leases_text({lease}, Moment::now()));
    return 0;
}

/// The owner is always named: the caller's parent may be a shell that is gone in a moment.
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

Result<int> run_allocate(Context& context, const Arguments& arguments) {
    LeaseRequest request;
    const auto job = arguments.text("job");
    if (!job) return fail(Code::usage, "registry allocate needs --job ID");
    request.job = *job;
    KSMS_TRY(request.owner, named_owner(arguments));
    KSMS_TRY(const auto ttl, arguments.seconds("ttl", 0.001, kLongestTtl));
    request.ttl_ns = ttl.value_or(0);
    KSMS_TRY(const auto dscp, arguments.number("dscp", 0, KSMS_DSCPS - 1));
    if (dscp) request.dscp = static_cast<std::uint8_t>(*dscp);
    KSMS_TRY(const auto wait, arguments.seconds("wait", 0, kLongestWait));
    KSMS_CHECK(require_root("allocate"));
    request.user = arguments.text("user").value_or(user_name());
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    KSMS_TRY(const auto lease, registry.allocate(request, wait.value_or(0), &context.stop));
    print(context, {lease.record}, fmt::format("{}\n", lease.dscp));
    return 0;
}

Result<int> run_release(Context& context, const Arguments& arguments) {
    KSMS_CHECK(require_root("release"));
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    const auto lease = named_lease(registry, arguments);
    if (!lease && lease.error().code == Code::not_found && arguments.has("if-exists")) {
        print(context, {}, "");
        return 0;
    }
    if (!lease) return std::unexpected(lease.error());
    const auto dscp = static_cast<std::uint8_t>(lease->dscp);
    KSMS_TRY(const bool released, registry.release(dscp, generation_of(*lease)));
    if (!released && !arguments.has("if-exists"))
        return fail(Code::not_found,
                    fmt::format("DSCP {} is not held by {} any more", dscp, holder_of(*lease)));
    print(context, {*lease}, "");
    return 0;
}

Result<int> run_renew(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto ttl, arguments.seconds("ttl", 0.001, kLongestTtl));
    KSMS_CHECK(require_root("renew"));
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    KSMS_TRY(const auto lease, named_lease(registry, arguments));
    const auto dscp = static_cast<std::uint8_t>(lease.dscp);
    KSMS_CHECK(
        registry.renew(dscp, generation_of(lease), ttl.value_or(context.config.limits.ttl_ns)));
    KSMS_TRY(const auto renewed, registry.find_dscp(dscp));
    print(context, {renewed}, "");
    return 0;
}

Result<int> run_reap(Context& context, const Arguments&) {
    KSMS_CHECK(require_root("reap"));
    KSMS_TRY(const auto pins, RegistryPins::open(context.root));
    const Registry registry(pins, context.config.limits);
    KSMS_TRY(const auto reaped, registry.reap());
    print(context, reaped,
          reaped.empty() ? "nothing to reap\n" : "reaped:\n" + leases_text(reaped, Moment::now()));
    return 0;
}

constexpr std::array kNaming{Option{"job", "ID", "the job's name"},
                             Option{"dscp", "N", "the DSCP that it holds"}};
constexpr std::array kRelease{
    Option{"job", "ID", "the job's name"}, Option{"dscp", "N", "the DSCP that it holds"},
    Option{"if-exists", nullptr, "no error where there is no such lease"}};
constexpr std::array kRenew{Option{"job", "ID", "the job's name"},
                            Option{"dscp", "N", "the DSCP that it holds"},
                            Option{"ttl", "SECONDS", "from now on (the configured time to live)"}};
constexpr std::array kAllocate{
    Option{"job", "ID", "the job's name: letters, digits or . _ : @ + -"},
    Option{"pid", "PID", "the process that owns it; the lease ends with it"},
    Option{"no-owner", nullptr, "no process owns it: the time to live alone ends it"},
    Option{"ttl", "SECONDS", "time to live (the configured one)"},
    Option{"dscp", "N", "exactly this one (the lowest free)"},
    Option{"user", "NAME", "what it is entered under (the caller)"},
    Option{"wait", "SECONDS", "how long to wait for a free one (0)"}};

constexpr std::array kCommands{
    Command{"registry list", "", "who holds which DSCP", {}, 0, 0, false, run_list},
    Command{"registry status", "", "how many DSCPs are in use", {}, 0, 0, false, run_status},
    Command{"registry show", "--job ID | --dscp N", "one lease", kNaming, 0, 0, false, run_show},
    Command{"registry allocate", "--job ID (--pid PID | --no-owner --ttl SECONDS)",
            "take a DSCP; prints its number", kAllocate, 0, 0, false, run_allocate},
    Command{"registry renew", "--job ID | --dscp N", "start the time to live again", kRenew, 0, 0,
            false, run_renew},
    Command{"registry release", "--job ID | --dscp N", "give a DSCP back", kRelease, 0, 0, false,
            run_release},
    Command{"registry reap",
            "",
            "free the leases of dead owners and those past their time",
            {},
            0,
            0,
            false,
            run_reap},
};

}  // namespace

std::span<const Command> registry_commands() {
    return kCommands;
}

}  // namespace ksms
