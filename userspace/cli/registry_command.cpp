// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl registry list|status|show.
#include "cli/registry_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "output/leases.hpp"

namespace ksms {

Result<RegistryAccess> open_registry(const Context& context) {
    KSMS_TRY(auto pins, RegistryPins::open(context.root));
    KSMS_TRY(const auto limits, effective_limits(pins, context.config.limits));
    return RegistryAccess{std::move(pins), limits};
}

void print_leases(Context& context, const std::vector<ksms_lease>& leases,
                  const std::string& text) {
    if (context.console.json())
        write_leases_json(leases, Moment::now(), context.console.pretty(), context.console.sink());
    else
        context.console.write(text);
}

Result<ksms_lease> named_lease(const Registry& registry, const Arguments& arguments) {
    KSMS_TRY(const auto dscp, arguments.number("dscp", 0, KSMS_DSCPS - 1));
    const auto job = arguments.text("job");
    if (dscp.has_value() == job.has_value())
        return fail(Code::usage, "name the lease by --job ID or by --dscp N",
                    "`ksmsctl registry list` shows both");
    if (job) return registry.find_job(*job);
    return registry.find_dscp(static_cast<std::uint8_t>(*dscp));
}

namespace {

Result<int> run_list(Context& context, const Arguments&) {
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    KSMS_TRY(const auto leases, registry.list());
    print_leases(context, leases, leases_text(leases, Moment::now(), context.console.width()));
    return 0;
}

Result<int> run_status(Context& context, const Arguments&) {
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    KSMS_TRY(const auto leases, registry.list());
    KSMS_TRY(const auto figures, registry.figures());
    RegistryUse use;
    use.capacity = capacity(access.limits);
    use.dscps = range_mask(access.limits);
    use.figures = figures;
    const auto over = std::ranges::count_if(
        leases, [](const auto& lease) { return is_over(lease, Surroundings{}); });
    use.over = static_cast<std::uint32_t>(over);
    use.in_use = static_cast<std::uint32_t>(leases.size()) - use.over;
    if (utilization(use) >= context.config.utilization_warning)
        context.console.warn(
            fmt::format("{} of {} DSCPs are in use (utilization_warning is {:.0f} %)", use.in_use,
                        use.capacity, 100 * context.config.utilization_warning));
    if (context.console.json())
        write_use_json(use, context.console.pretty(), context.console.sink());
    else
        context.console.write(use_text(use));
    return 0;
}

Result<int> run_show(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    KSMS_TRY(const auto lease, named_lease(registry, arguments));
    print_leases(context, {lease}, leases_text({lease}, Moment::now(), context.console.width()));
    return 0;
}

constexpr std::array kLookCommands{
    Command{"registry list", "", "List the leases", {}, 0, 0, false, run_list},
    Command{"registry status",
            "",
            "Show how many DSCPs are in use and how leases ended",
            {},
            0,
            0,
            false,
            run_status},
    Command{"registry show", "--job ID | --dscp N", "Show one lease", kNaming, 0, 0, false,
            run_show}};

}  // namespace

std::span<const Command> registry_commands() {
    static const auto all = [] {
        std::vector<Command> table(kLookCommands.begin(), kLookCommands.end());
        for (const auto part : {registry_hold_commands(), registry_care_commands()})
            table.insert(table.end(), part.begin(), part.end());
        return table;
    }();
    return all;
}

}  // namespace ksms
