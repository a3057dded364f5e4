// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <array>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "cli/scan_request.hpp"
#include "explain/explain.hpp"
#include "os/process.hpp"
#include "output/explain.hpp"

namespace ksms {
namespace {

constexpr const char* kSynopsis = "-s SOURCE -d DESTINATION -P PORTS";

constexpr Option kOptions[] = {
    {"source,s", "IP", "where the probes come from, IPv4 or IPv6"},
    {"destination,d", "IP", "where they go; it need not exist"},
    {"ports,P", "SPEC", "443/tcp,53/udp: at most 16 services"},
    {"default-proto", "tcp|udp", "of a bare port (tcp)"},
    {"source-netns", "NETNS", "where the probes leave from (whoever owns the source)"},
    {"router", "NETNS", "only this router; can be repeated", true},
    {"timeout", "SECONDS", "how long to wait after a probe was last sent (1)"},
    {"job", "ID", "the job that the lease is under (made up)"},
    {"dscp", "N", "exactly this one; also KSMS_JOB_DSCP (the lowest free)"},
    {"user", "NAME", "what the lease is entered under (the caller)"},
    {"wait", "SECONDS", "how long to wait for another detailed job, and for a DSCP (30)"},
};

Status check_call(const Arguments& arguments) {
    struct Needed {
        const char *name, *option;
    };
    static constexpr std::array<Needed, 3> needed{{{"source", "-s (--source IP)"},
                                                   {"destination", "-d (--destination IP)"},
                                                   {"ports", "-P (--ports SPEC)"}}};
    for (const auto& [name, option] : needed)
        if (!arguments.has(name))
            return fail(Code::usage, fmt::format("explain needs {}", option),
                        name == std::string_view("ports") && arguments.has("pretty")
                            ? "did you mean -P? (-p is --pretty)"
                            : fmt::format("ksmsctl explain {}", kSynopsis));
    return {};
}

Result<ScanRequest> make_request(const Arguments& arguments, const Config& config) {
    KSMS_CHECK(check_call(arguments));
    KSMS_TRY(auto request, make_scan_request(arguments, config));
    if (request.services.size() > kMostExplained)
        return fail(Code::usage,
                    fmt::format("{} services: explain takes {} at most, one after the other",
                                request.services.size(), kMostExplained),
                    "scan takes them all: it says which are worth explaining");
    return request;
}

/// What a detailed job that has a result ends with: as scan does.
int status_of(Context& context, const Explanation& result) {
    if (const int signal = context.stop.load(); signal != 0) return 128 + signal;
    if (result.failure.empty()) return 0;
    context.console.error({Code::failed, 0, "every verdict is UNKNOWN: " + result.failure, {}});
    return static_cast<int>(Code::failed);
}

Result<int> explain(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto request, make_request(arguments, context.config));
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
        write_explain_json(result, console.pretty(),
                           [&console](std::string_view piece) { console.write(piece); });
    else
        console.write(explain_text(result, static_cast<std::size_t>(console.width())));
    return status_of(context, result);
}

}  // namespace

std::span<const Command> explain_commands() {
    static const Command commands[] = {
        {"explain", kSynopsis,
         "A few services in detail: routes, hooks, and the very rule that stops one", kOptions, 0,
         0, false, explain}};
    return commands;
}

}  // namespace ksms
