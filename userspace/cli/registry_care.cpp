// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl registry reap|check|backup|restore.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "bpf/mend.hpp"
#include "bpf/version.hpp"
#include "cli/backup_file.hpp"
#include "cli/output_file.hpp"
#include "cli/registry_command.hpp"
#include "output/findings.hpp"
#include "output/leases.hpp"
#include "registry/check.hpp"
#include "registry/restore.hpp"

namespace ksms {
namespace {

Status require_root(const char* what) {
    return require_capabilities(fmt::format("`ksmsctl registry {}`", what));
}

Result<int> run_reap(Context& context, const Arguments&) {
    KSMS_CHECK(require_root("reap"));
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    KSMS_TRY(const auto reaped, registry.reap());
    print_leases(context, reaped,
                 reaped.empty()
                     ? "nothing to reap\n"
                     : "reaped:\n" + leases_text(reaped, Moment::now(), context.console.width()));
    return 0;
}

/// Adds a finding for each missing pin.
Status add_pins(const PinRoot& root, bool repair, std::vector<Finding>& findings) {
    KSMS_TRY(const auto pins, mend_pins(root, repair));
    for (const auto& pin : pins)
        findings.push_back({fmt::format("the pin {}/{} is missing", root.path, pin.name),
                            pin.name == kExitHook ? "no one frees a DSCP whose owner ends"
                                                  : "who opens the registry does not find it",
                            pin.lost_words.empty() ? "pinned again" : pin.lost_words, pin.mended});
    return {};
}

Result<int> run_check(Context& context, const Arguments& arguments) {
    KSMS_CHECK(require_root("check"));
    const bool repair = arguments.has("repair");
    std::vector<Finding> findings;
    KSMS_TRY(const auto abi, installed_abi(context.root));
    if (abi && *abi != KSMS_ABI_VERSION) return other_version(context.root, *abi);
    KSMS_CHECK(add_pins(context.root, repair, findings));
    if (repair || findings.empty()) {
        KSMS_TRY(const auto pins, RegistryPins::open(context.root));
        KSMS_TRY(auto more, check_leases(pins, context.config.limits, repair));
        findings.insert(findings.end(), more.begin(), more.end());
        // An entry that was written by hand has no timer. Setting all timers up makes each examine
        // its lease.
        if (repair && !more.empty()) KSMS_CHECK(set_timers(context.root));
    }
    if (context.console.json())
        write_findings_json(findings, repair, context.console.pretty(), context.console.sink());
    else
        context.console.write(findings_text(findings, repair));
    const bool left =
        std::ranges::any_of(findings, [](const Finding& finding) { return !finding.repaired; });
    return left ? static_cast<int>(Code::failed) : 0;
}

Result<int> run_backup(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto access, open_registry(context));
    KSMS_TRY(const auto leases, Registry(access.pins, access.limits).list());
    KSMS_TRY(const auto left_out, write_backup(arguments.words.front(), leases, Moment::now()));
    for (const auto& word : left_out) context.console.warn(word);
    print_leases(context, leases,
                 fmt::format("{} leases written to {}\n", leases.size() - left_out.size(),
                             printable(arguments.words.front())));
    return 0;
}

Result<int> run_restore(Context& context, const Arguments& arguments) {
    KSMS_CHECK(require_root("restore"));
    KSMS_TRY(const auto saved, read_backup(arguments.words.front()));
    KSMS_TRY(const auto access, open_registry(context));
    const Registry registry(access.pins, access.limits);
    KSMS_TRY(const auto outcome, restore(registry, saved, realtime()));
    for (const auto& word : outcome.left_out) context.console.warn(word);
    print_leases(context, outcome.restored,
                 fmt::format("{} leases restored, {} left out\n", outcome.restored.size(),
                             outcome.left_out.size()));
    return 0;
}

constexpr std::array kRepair{Option{"repair", nullptr, "repair what can be repaired"}};

constexpr std::array kCareCommands{
    Command{"registry reap",
            "",
            "Free expired leases that the kernel hook missed",
            {},
            0,
            0,
            false,
            run_reap},
    Command{"registry check", "[--repair]", "Check the registry for impossible entries", kRepair, 0,
            0, false, run_check},
    Command{"registry backup", "FILE", "Write the leases to a file", {}, 1, 1, false, run_backup},
    Command{"registry restore",
            "FILE",
            "Restore the leases from a backup",
            {},
            1,
            1,
            false,
            run_restore}};

}  // namespace

std::span<const Command> registry_care_commands() {
    return kCareCommands;
}

}  // namespace ksms
