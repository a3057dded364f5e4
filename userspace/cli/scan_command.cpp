// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
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

/// From whichever entry.
bool has_one_of(const Report& report, const std::set<Verdict>& verdicts) {
    const auto any = [&](const std::vector<ServiceReport>& services) {
        return std::ranges::any_of(
            services, [&](const auto& service) { return verdicts.contains(service.result); });
    };
    return any(report.services) || std::ranges::any_of(report.by_entry, [&](const auto& entry) {
               return any(entry.services);
           });
}

/// The exit status of a scan that has a report.
int status_of(Context& context, const Report& report, const std::set<Verdict>& fail_on) {
    if (const int signal = context.stop.load(); signal != 0) return 128 + signal;
    if (report.all_unknown()) {
        context.console.error(
            {Code::failed, 0, "every verdict is UNKNOWN: " + failure_text(report), {}});
        return static_cast<int>(Code::failed);
    }
    return has_one_of(report, fail_on) ? static_cast<int>(Code::expectation) : 0;
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
    return status_of(context, report, asked.fail_on);
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
