// SPDX-License-Identifier: BSD-2-Clause
#include "request/scan_request.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/nearest.hpp"
#include "ksms/abi.h"
#include "request/ports.hpp"

namespace ksms {
namespace {

constexpr double kDay = 86400;  // seconds
constexpr std::uint64_t kMostRetries = 100;
// What --timeout 0 means: as long as a router needs that is not busy, and local delivery to be
// certain (kLocalSettle, scan/accounting.cpp).
constexpr std::chrono::milliseconds kShortestTimeout{50};
constexpr std::uint64_t kFastest = 100'000'000;  // packets a second

constexpr Option kOptions[] = {
    {"source,s", "IP", "where the probes come from, IPv4 or IPv6"},
    {"destination,d", "IP", "where they go; it need not exist"},
    {"ports,P", "SPEC", "80,443/tcp,53/udp,22-25,telnet, T:22,U:53, - for all"},
    {"exclude-ports", "SPEC", "but not these"},
    {"default-proto", "tcp|udp", "of a bare port (tcp)"},
    {"source-netns", "NETNS", "where the probes leave from (whoever owns the source)"},
    {"all-netns", nullptr, "namespaces of other users take part too (root's alone)"},
    {"entry-only", nullptr, "judge only the first router of each entry"},
    {"router", "NETNS", "only this router; can be repeated", true},
    {"mode", "path|isolated", "isolated: every router answers for itself (path)"},
    {"inject", "ROUTER:INTERFACE", "isolated: here; can be repeated", true},
    {"tap", "tc|xdp|netfilter", "the hooks that count (tc)"},
    {"timeout", "SECONDS", "how long to wait after a probe was last sent (1; 0: 0.05)"},
    {"tcp-timeout", "SECONDS", nullptr},
    {"deadline", "SECONDS", "for the whole scan (none)"},
    {"retries", "N", "how often a lost probe is sent again (3)"},
    {"rate", "PPS", "probes a second (as fast as it goes)"},
    {"job", "ID", "the job that the lease is under (made up)"},
    {"dscp", "N", "exactly this one; also KSMS_JOB_DSCP (the lowest free)"},
    {"user", "NAME", "what the lease is entered under (the caller)"},
    {"wait", "SECONDS", "how long to wait for a DSCP (30)"},
    {"fail-on", "yes|no|unknown[,…]", "end with 3 if a service's result is one of these"},
    {"dry-run", nullptr, "print the plan, send nothing"},
    {"max-services", "N", nullptr},
    {"range-limit", "N", nullptr},
    {"force", nullptr, nullptr},
};

/// One of a few words.
Result<std::string> choice(const Arguments& arguments, const std::string& option,
                           const std::string& absent, std::span<const std::string> words) {
    auto value = arguments.text(option).value_or(absent);
    if (std::ranges::find(words, value) != words.end()) return value;
    return fail(Code::usage,
                fmt::format("--{} {}: it is {}", option, value, fmt::join(words, " or ")),
                did_you_mean(value, words));
}

Result<Address> address(const Arguments& arguments, const char* option, char letter) {
    const auto value = arguments.text(option);
    if (!value)
        return fail(Code::usage, fmt::format("a scan needs -{} (--{} IP)", letter, option),
                    "ksmsctl scan -s SOURCE -d DESTINATION -P PORTS");
    auto parsed = Address::parse(*value);
    if (parsed) return parsed;
    return fail(Code::usage, fmt::format("--{} {}: not an IPv4 or IPv6 address", option, *value));
}

Status read_addresses(const Arguments& arguments, ScanRequest& request) {
    KSMS_TRY(request.source, address(arguments, "source", 's'));
    KSMS_TRY(request.destination, address(arguments, "destination", 'd'));
    if (request.source.family != request.destination.family)
        return fail(Code::usage, fmt::format("-s {} and -d {}: one is IPv4, the other IPv6",
                                             request.source.text(), request.destination.text()));
    return {};
}

/// Ranges that are longer than --range-limit, unless --force lifts it, and more services than
/// --max-services: ksms_tester cut them silently.
Status check_limits(const Arguments& arguments, const std::string& ports,
                    const std::vector<Service>& services) {
    KSMS_TRY(const auto most, arguments.number("max-services", 1, KSMS_MAX_SERVICES));
    KSMS_TRY(const auto longest, arguments.number("range-limit", 1, 65535));
    if (most && services.size() > *most)
        return fail(
            Code::usage,
            fmt::format("--max-services {}: {} services are asked for", *most, services.size()),
            "none is dropped silently; omit the option");
    if (!longest || arguments.has("force")) return {};
    KSMS_TRY(const auto written, longest_range(ports));
    if (written <= *longest) return {};
    return fail(
        Code::usage,
        fmt::format("--range-limit {}: a range of {} ports is asked for", *longest, written),
        "none is cut silently; --force lifts the limit, or omit the option");
}

Status read_services(const Arguments& arguments, ScanRequest& request) {
    static const std::array<std::string, 2> protocols{"tcp", "udp"};
    KSMS_TRY(const auto protocol, choice(arguments, "default-proto", "tcp", protocols));
    const std::uint8_t number = protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    const auto ports = arguments.text("ports");
    if (!ports)
        return fail(Code::usage, "a scan needs -P (--ports SPEC)",
                    arguments.has("pretty") ? "did you mean -P? (-p is --pretty)"
                                            : "ksmsctl scan -s SOURCE -d DESTINATION -P PORTS");
    KSMS_TRY(request.services, parse_ports(*ports, number));
    if (const auto without = arguments.text("exclude-ports")) {
        KSMS_TRY(const auto excluded, parse_ports(*without, number));
        KSMS_TRY(request.services, exclude(request.services, excluded));
    }
    return check_limits(arguments, *ports, request.services);
}

Status read_way(const Arguments& arguments, ScanRequest& request) {
    static const std::array<std::string, 2> modes{"path", "isolated"};
    const auto mode = choice(arguments, "mode", "path", modes);
    if (!mode) return std::unexpected(mode.error());
    request.isolated = *mode == "isolated";
    request.inject = arguments.all("inject");
    if (!request.isolated && !request.inject.empty())
        return fail(Code::usage, "--inject is for --mode isolated");
    static const std::array<std::string, 3> hooks{"tc", "xdp", "netfilter"};
    const auto tap = choice(arguments, "tap", "tc", hooks);
    if (!tap) return std::unexpected(tap.error());
    if (request.isolated && *tap == "xdp")
        return fail(Code::usage, "--tap xdp does not see what --mode isolated gives the routers",
                    "it comes in behind XDP; --tap tc, the default, does");
    request.hooks = *tap == "tc"    ? TapHooks::tc
                    : *tap == "xdp" ? TapHooks::xdp
                                    : TapHooks::netfilter;
    request.source_netns = arguments.text("source-netns").value_or("");
    if (arguments.has("source-netns") && request.source_netns.empty())
        return fail(Code::usage, "--source-netns needs a namespace");
    request.routers = arguments.all("router");
    if (std::ranges::find(request.routers, std::string()) != request.routers.end())
        return fail(Code::usage, "--router needs a namespace");
    request.entry_only = arguments.has("entry-only");
    request.all_netns = arguments.has("all-netns");
    return {};
}

/// KSMS_ATTACH and KSMS_DROPS, for tests of what this kernel or these links would not choose.
Status read_environment(const Environment& environment, ScanRequest& request) {
    request.drops = environment.drops;
    request.sudo_uid = environment.sudo_uid;
    if (!environment.attach) return {};
    if (*environment.attach == "clsact")
        request.way = AttachWay::clsact;
    else if (*environment.attach == "tcx")
        request.way = AttachWay::tcx;
    else
        return fail(Code::usage, fmt::format("KSMS_ATTACH is '{}'", *environment.attach),
                    "it is clsact, tcx or not set");
    return {};
}

Status read_pace(const Arguments& arguments, ScanRequest& request) {
    constexpr double shortest = 0.001;
    // Two names of one option, and none may be given twice.
    if (arguments.has("timeout") && arguments.has("tcp-timeout"))
        return fail(Code::usage,
                    fmt::format("--timeout {} and --tcp-timeout {} are the same option",
                                *arguments.text("timeout"), *arguments.text("tcp-timeout")));
    const char* timeout = arguments.has("timeout") ? "timeout" : "tcp-timeout";
    KSMS_TRY(auto limit, arguments.seconds(timeout, 0, kDay));
    if (limit && limit->count() == 0) limit = kShortestTimeout;
    KSMS_TRY(const auto deadline, arguments.seconds("deadline", shortest, kDay));
    KSMS_TRY(const auto retries, arguments.number("retries", 0, kMostRetries));
    KSMS_TRY(const auto rate, arguments.number("rate", 1, kFastest));
    KSMS_TRY(const auto wait, arguments.seconds("wait", 0, kDay));
    request.timeout = limit.value_or(request.timeout);
    request.deadline = deadline.value_or(request.deadline);
    request.retries = static_cast<std::uint32_t>(retries.value_or(request.retries));
    request.rate_pps = rate.value_or(0);
    request.wait = wait.value_or(request.wait);
    return {};
}

/// --dscp, else KSMS_JOB_DSCP.
Status read_dscp(const Arguments& arguments, const Environment& environment, ScanRequest& request) {
    std::string from = "--dscp";
    auto text = arguments.text("dscp");
    if (!text) {
        if (!environment.job_dscp) return {};
        text = environment.job_dscp;
        from = "KSMS_JOB_DSCP";
    }
    const auto& limits = request.limits;
    std::uint32_t dscp = KSMS_DSCPS;
    const bool digits = !text->empty() && text->size() <= 2 &&
                        text->find_first_not_of("0123456789") == std::string::npos;
    if (digits) dscp = static_cast<std::uint32_t>(std::stoul(*text));
    if (dscp < limits.dscp_min || dscp > limits.dscp_max || (limits.excluded >> dscp & 1) != 0)
        return fail(
            Code::usage,
            fmt::format("{} {}: the configured range is {} to {}{}", from, *text, limits.dscp_min,
                        limits.dscp_max, limits.excluded == 0 ? "" : " without ksms.dscp_exclude"));
    request.dscp = static_cast<std::uint8_t>(dscp);
    return {};
}

Status read_lease(const Arguments& arguments, const Config& config, const Environment& environment,
                  ScanRequest& request) {
    request.limits = config.limits;
    KSMS_CHECK(read_dscp(arguments, environment, request));
    request.user = arguments.text("user").value_or("");
    if (arguments.has("user") && (request.user.empty() || request.user.size() >= KSMS_NAME_LENGTH))
        return fail(Code::usage, fmt::format("--user {}: not 1 to {} bytes", request.user,
                                             KSMS_NAME_LENGTH - 1));
    request.job = arguments.text("job").value_or("");
    if (arguments.has("job") && !is_job_name(request.job))
        return fail(Code::usage,
                    fmt::format("--job {}: a job's name is 1 to 63 of A-Z a-z 0-9 . _ : @ + -",
                                request.job));
    return {};
}

}  // namespace

std::span<const Option> scan_options() {
    return kOptions;
}

Result<ScanRequest> make_scan_request(const Arguments& arguments, const Config& config,
                                      const Environment& environment) {
    ScanRequest request;
    KSMS_CHECK(read_addresses(arguments, request));
    KSMS_CHECK(read_services(arguments, request));
    KSMS_CHECK(read_way(arguments, request));
    KSMS_CHECK(read_pace(arguments, request));
    KSMS_CHECK(read_lease(arguments, config, environment, request));
    KSMS_CHECK(read_environment(environment, request));
    return request;
}

Result<std::set<Verdict>> read_fail_on(const Arguments& arguments) {
    std::set<Verdict> wanted;
    const auto text = arguments.text("fail-on");
    if (!text) return wanted;
    static const std::array<std::string, 3> words{"yes", "no", "unknown"};
    for (std::size_t at = 0; at <= text->size();) {
        const auto comma = std::min(text->find(',', at), text->size());
        const auto word = text->substr(at, comma - at);
        at = comma + 1;
        const auto found = std::ranges::find(words, word);
        if (found == words.end())
            return fail(Code::usage,
                        fmt::format("--fail-on {}: \"{}\" is not yes, no or unknown", *text, word),
                        did_you_mean(word, words));
        wanted.insert(static_cast<Verdict>(found - words.begin()));
    }
    return wanted;
}

}  // namespace ksms
