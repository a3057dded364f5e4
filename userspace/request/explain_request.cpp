// SPDX-License-Identifier: BSD-2-Clause
#include "request/explain_request.hpp"

#include <fmt/format.h>

#include <array>

#include "explain/explain.hpp"
#include "request/scan_request.hpp"

namespace ksms {
namespace {

constexpr Option kExplainOptions[] = {
    {"source,s", "IP", "where the probes come from, IPv4 or IPv6"},
    {"destination,d", "IP", "where they go; it need not exist"},
    {"ports,P", "SPEC", "443/tcp,53/udp: at most 16 services"},
    {"default-proto", "tcp|udp", "of a bare port (tcp)"},
    {"source-netns", "NETNS", "where the probes leave from (whoever owns the source)"},
    {"router", "NETNS", "only this router; can be repeated", true},
    {"timeout", "SECONDS", "how long to wait after a probe was last sent (1; 0: 0.05)"},
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
                            : fmt::format("ksmsctl explain {}", kExplainSynopsis));
    return {};
}

}  // namespace

std::span<const Option> explain_options() {
    return kExplainOptions;
}

Result<ScanRequest> make_explain_request(const Arguments& arguments, const Config& config,
                                         const Environment& environment) {
    KSMS_CHECK(check_call(arguments));
    KSMS_TRY(auto request, make_scan_request(arguments, config, environment));
    if (request.services.size() > kMostExplained)
        return fail(Code::usage,
                    fmt::format("{} services: explain takes {} at most, one after the other",
                                request.services.size(), kMostExplained),
                    "scan takes them all: it says which are worth explaining");
    return request;
}

}  // namespace ksms
