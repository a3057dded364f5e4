// SPDX-License-Identifier: BSD-2-Clause
#include "request/fields.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "ksms/abi.h"

namespace ksms {
namespace {

constexpr double kDay = 86400;       // seconds
constexpr double kShortest = 0.001;  // second
constexpr std::uint64_t kMostRetries = 100;
constexpr std::uint64_t kFastest = 100'000'000;  // packets a second
constexpr std::uint64_t kPorts = 65535;
constexpr std::size_t kLongestId = 63;  // bytes
constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

constexpr unsigned kEverywhere = in_scan | in_explain | in_submit | in_body;
constexpr unsigned kScans = in_scan | in_submit | in_fast_job;  // not explain
constexpr unsigned kJobs = in_submit | in_body;
constexpr unsigned kLines = in_scan | in_explain;

/// Into a member: as its type, and behind what is in a list already.
template <auto member, typename T>
void put(Asked& asked, T value) {
    auto& to = asked.*member;
    if constexpr (std::is_same_v<decltype(to), std::vector<T>&>)
        to.push_back(std::move(value));
    else
        to = static_cast<std::remove_reference_t<decltype(to)>>(std::move(value));
}

constexpr Field kFields[] = {
    {"id", "ID", "the job's name (made up)", kJobs, JobName{kLongestId, put<&Asked::id>}},
    {"type", "fast|detailed", "a scan, or explain (fast)", kJobs, Choice{put<&Asked::detailed>}},
    {"source,s", "IP", "where the probes come from, IPv4 or IPv6", kEverywhere,
     IpAddress{put<&Asked::source>}},
    {"destination,d", "IP", "where they go; it need not exist", kEverywhere,
     IpAddress{put<&Asked::destination>}},
    {"ports,P", "SPEC", "80,443/tcp,53/udp,22-25,telnet, T:22,U:53, - for all", kEverywhere,
     Text{0, kAny, put<&Asked::ports>}, false, nullptr, "443/tcp,53/udp: at most 16 services"},
    {"services", "SPEC", nullptr, in_body, Text{0, kAny, put<&Asked::ports>}, false, "ports"},
    {"exclude-ports", "SPEC", "but not these", kScans, Text{0, kAny, put<&Asked::exclude_ports>}},
    {"default-proto", "tcp|udp", "of a bare port (tcp)", kEverywhere, Choice{put<&Asked::udp>}},
    {"source-netns", "NETNS", "where the probes leave from (whoever owns the source)", kEverywhere,
     NetnsName{put<&Asked::source_netns>}},
    {"all-netns", nullptr, "namespaces of other users take part too (root's alone)", kScans,
     Switch{put<&Asked::all_netns>}},
    {"entry-only", nullptr, "judge only the first router of each entry", kScans,
     Switch{put<&Asked::entry_only>}},
    {"router", "NETNS", "only this router; can be repeated", kEverywhere,
     NetnsName{put<&Asked::routers>}, true},
    {"mode", "path|isolated", "isolated: every router answers for itself (path)", kScans,
     Choice{put<&Asked::isolated>}},
    {"inject", "ROUTER:INTERFACE", "isolated: here; can be repeated", kScans,
     Text{0, kAny, put<&Asked::inject>}, true},
    {"tap", "tc|xdp|netfilter", "the hooks that count (tc)", kScans, Choice{put<&Asked::hooks>}},
    {"timeout", "SECONDS", "how long to wait after a probe was last sent (1; 0: 0.05)", kEverywhere,
     Seconds{0, kDay, put<&Asked::timeout>}},
    {"tcp-timeout", "SECONDS", nullptr, kScans, Seconds{0, kDay, put<&Asked::timeout>}, false,
     "timeout"},
    {"deadline", "SECONDS", "for the whole scan (none)", kScans,
     Seconds{kShortest, kDay, put<&Asked::deadline>}},
    {"retries", "N", "how often a lost probe is sent again (3)", kScans,
     Whole{0, kMostRetries, put<&Asked::retries>}},
    {"rate", "PPS", "probes a second (as fast as it goes)", kScans,
     Whole{1, kFastest, put<&Asked::rate_pps>}},
    {"job", "ID", "the job that the lease is under (made up)", kLines,
     JobName{kAny, put<&Asked::job>}},
    {"dscp", "N", "exactly this one; also KSMS_JOB_DSCP (the lowest free)", kEverywhere,
     Dscp{put<&Asked::dscp>}},
    {"user", "NAME", "what the lease is entered under (the caller)", kEverywhere,
     Text{1, KSMS_NAME_LENGTH - 1, put<&Asked::user>}},
    {"wait", "SECONDS", "how long to wait for a DSCP (30)", kLines | in_body,
     Seconds{0, kDay, put<&Asked::wait>}, false, nullptr,
     "how long to wait for another detailed job, and for a DSCP (30)"},
    {"fail-on", "yes|no|unknown[,…]", "end with 3 if a service's result is one of these",
     in_scan | in_submit, Verdicts{put<&Asked::fail_on>}},
    {"dry-run", nullptr, "print the plan, send nothing", in_scan, Switch{put<&Asked::dry_run>}},
    {"max-services", "N", nullptr, kScans, Whole{1, KSMS_MAX_SERVICES, put<&Asked::max_services>}},
    {"range-limit", "N", nullptr, kScans, Whole{1, kPorts, put<&Asked::range_limit>}},
    {"force", nullptr, nullptr, kScans, Switch{put<&Asked::force>}},
};

}  // namespace

std::span<const Field> fields() {
    return kFields;
}

std::string key_of(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name;
}

std::vector<Option> options_of(Place place) {
    std::vector<Option> options;
    for (const auto& field : kFields) {
        if ((field.places & place) == 0) continue;
        const bool other = place == in_explain && field.explain_help != nullptr;
        options.push_back(
            {field.names, field.value, other ? field.explain_help : field.help, field.repeatable});
    }
    return options;
}

}  // namespace ksms
