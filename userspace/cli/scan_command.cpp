// SPDX-License-Identifier: BSD-2-Clause
#include <memory>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/progress.hpp"
#include "os/process.hpp"
#include "output/json.hpp"
#include "output/plan.hpp"
#include "output/text.hpp"
#include "output/words.hpp"
#include "request/scan_request.hpp"
#include "route/firewall_survey.hpp"
#include "route/network.hpp"
#include "route/planner.hpp"
#include "scan/scan.hpp"

namespace ksms {
namespace {

Result<int> dry_run(Context& context, const ScanRequest& request) {
    KSMS_TRY(const auto network, kernel_network(false, request));
    KSMS_TRY(auto plan, make_plan(*network, request, request.traffic_dscp().tos()));
    survey_firewalls(*network, request, plan);
    for (const auto& warning : plan.warnings) context.console.warn(warning);
    const auto width = context.console.width();
    if (context.console.json())
        write_plan_json(request, plan, context.console.pretty(), context.console.sink());
    else
        context.console.write(plan_text(request, plan, width));
    return 0;
}

void print(Console& console, Report& report) {
    if (console.verbose() == 0) report.trails.clear();
    if (console.json()) {
        write_scan_json(report, console.pretty(), console.sink());
        return;
    }
    console.write(scan_text(view_of(report), console.text_style()));
}

Result<int> scan(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto asked,
             make_scan_request(in_scan, arguments, context.config.limits, context.environment));
    KSMS_CHECK(require_capabilities("a scan"));
    if (asked.dry_run) return dry_run(context, asked);
    ProgressLine line(context.console);
    ScanHooks hooks;
    hooks.progress = [&line](const ScanProgress& progress) { line.show(progress); };
    hooks.stop = &context.stop;
    KSMS_TRY(auto report, run_scan(context.root, asked, hooks));
    context.console.end_progress();
    for (const auto& warning : report.warnings) context.console.warn(warning);
    print(context.console, report);
    return exit_status(context, report, asked.fail_on);
}

}  // namespace

std::span<const Command> scan_commands() {
    static const auto options = options_of(in_scan);
    static const Command commands[] = {{"scan", kRequestSynopsis,
                                        "Report which services get from A to B, router by router",
                                        options, 0, 0, false, scan}};
    return commands;
}

}  // namespace ksms
