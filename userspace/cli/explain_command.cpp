// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/progress.hpp"
#include "explain/explain.hpp"
#include "os/process.hpp"
#include "output/explain.hpp"
#include "output/words.hpp"
#include "request/scan_request.hpp"

namespace ksms {
namespace {

Result<int> explain(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto request,
             make_scan_request(in_explain, arguments, context.config.limits, context.environment));
    KSMS_CHECK(require_capabilities("explain"));
    auto& console = context.console;
    ProgressLine line(console);
    ExplainHooks hooks;
    hooks.progress = [&line](const ScanProgress& progress) { line.show(progress); };
    hooks.stop = &context.stop;
    hooks.announce = [&console](const std::string& table, const std::vector<std::string>& routers) {
        console.note(
            fmt::format("for a moment the nftables table {} traces our probe in {}; it "
                        "goes by itself",
                        table, fmt::join(routers, ", ")));
    };
    KSMS_TRY(const auto result, run_explain(context.root, request, hooks));
    console.end_progress();
    for (const auto& warning : result.warnings) console.warn(warning);
    if (console.json())
        write_explain_json(result, console.pretty(), console.sink());
    else
        console.write(explain_text(result, console.width()));
    return exit_status(context, result);
}

}  // namespace

std::span<const Command> explain_commands() {
    static const auto options = options_of(in_explain);
    static const Command commands[] = {
        {"explain", kRequestSynopsis,
         "Explain a few services: routes, hooks, and the rule that drops", options, 0, 0, false,
         explain}};
    return commands;
}

}  // namespace ksms
