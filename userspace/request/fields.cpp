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

/// Stores a value in a member, converted to its type. Appends it to a list.
template <auto member, typename T>
void put(Asked& asked, T value) {
    auto& to = asked.*member;
    if constexpr (std::is_same_v<decltype(to), std::vector<T>&>)
        to.push_back(std::move(value));
    else
        to = static_cast<std::remove_reference_t<decltype(to)>>(std::move(value));
}

constexpr Field kFields[] = {
    {"id", "ID", "name of the job (generated)", kJobs, kind::JobName{kLongestId, put<&Asked::id>}},
    {"type", "fast|detailed", "fast: a scan; detailed: explain (fast)", kJobs,
     kind::Choice{put<&Asked::detailed>}},
    {"source,s", "IP", "source address of the probes, IPv4 or IPv6", kEverywhere,
     kind::IpAddress{put<&Asked::source>}},
    {"destination,d", "IP", "destination address; the host need not exist", kEverywhere,
     kind::IpAddress{put<&Asked::destination>}},
    {"ports,P", "SPEC", "80,443/tcp,53/udp,22-25,telnet, T:22,U:53; - for all", kEverywhere,
     kind::Text{0, kAny, put<&Asked::ports>}, false, nullptr,
     "443/tcp,53/udp: at most 16 services"},
    {"services", "SPEC", nullptr, in_body, kind::Text{0, kAny, put<&Asked::ports>}, false, "ports"},
    {"exclude-ports", "SPEC", "ports to leave out", kScans,
     kind::Text{0, kAny, put<&Asked::exclude_ports>}},
    {"default-proto", "tcp|udp", "protocol of a port that names none (tcp)", kEverywhere,
     kind::Choice{put<&Asked::udp>}},
    {"source-netns", "NETNS", "send from this namespace (each that owns the source)", kEverywhere,
     kind::NetnsName{put<&Asked::source_netns>}},
    {"all-netns", nullptr, "include namespaces of other users (only root's)", kScans,
     kind::Switch{put<&Asked::all_netns>}},
    {"entry-only", nullptr, "judge only the first router of each entry", kScans,
     kind::Switch{put<&Asked::entry_only>}},
    {"classes", nullptr, "probe some of the services that no rule tells apart", kScans,
     kind::Switch{put<&Asked::classes>}},
    {"router", "NETNS", "judge only this router; can be repeated", kEverywhere,
     kind::NetnsName{put<&Asked::routers>}, true},
    {"mode", "path|isolated", "isolated: test each router on its own (path)", kScans,
     kind::Choice{put<&Asked::isolated>}},
    {"next-hop", "real|assume", "assume: a gateway that nobody has does (isolated: assume)", kScans,
     kind::Choice{put<&Asked::assume_next_hop>}},
    {"inject", "ROUTER:INTERFACE", "isolated: inject here; can be repeated", kScans,
     kind::Text{0, kAny, put<&Asked::inject>}, true},
    {"tap", "tc|xdp|netfilter", "hooks that count packets (tc)", kScans,
     kind::Choice{put<&Asked::tap>}},
    {"timeout", "SECONDS", "wait after the last packet of a probe (1; at least 0.05)", kEverywhere,
     kind::Seconds{0, kDay, put<&Asked::timeout>}},
    {"tcp-timeout", "SECONDS", nullptr, kScans, kind::Seconds{0, kDay, put<&Asked::timeout>}, false,
     "timeout"},
    {"deadline", "SECONDS", "time limit of the whole scan (none)", kScans,
     kind::Seconds{kShortest, kDay, put<&Asked::deadline>}},
    {"retries", "N", "resend a lost probe N times (3)", kScans,
     kind::Whole{0, kMostRetries, put<&Asked::retries>}},
    {"rate", "PPS", "probes a second (unlimited)", kScans,
     kind::Whole{1, kFastest, put<&Asked::rate_pps>}},
    {"job", "ID", "job name of the lease (generated)", kLines,
     kind::JobName{kAny, put<&Asked::job>}},
    {"dscp", "N", "use this DSCP; also KSMS_JOB_DSCP (the lowest free)", kEverywhere,
     kind::Dscp{put<&Asked::dscp>}},
    {"as-dscp", "N", "answer for packets with this DSCP (0)", kEverywhere,
     kind::Whole{0, KSMS_DSCPS - 1, put<&Asked::as_dscp>}},
    {"gentle", nullptr, "spare firewall rules that remember or limit a source", kScans,
     kind::Switch{put<&Asked::gentle>}},
    {"user", "NAME", "user name of the lease (the caller)", kEverywhere,
     kind::Text{1, KSMS_NAME_LENGTH - 1, put<&Asked::user>}},
    {"wait", "SECONDS", "wait for a free DSCP (30)", kLines | in_body,
     kind::Seconds{0, kDay, put<&Asked::wait>}, false, nullptr,
     "wait for another explain, and for a free DSCP (30)"},
    {"fail-on", "yes|no|unknown[,…]",
     "exit with 3 if a service has one of these results, from any entry", in_scan | in_submit,
     kind::Verdicts{put<&Asked::fail_on>}},
    {"dry-run", nullptr, "print the plan and send nothing", in_scan,
     kind::Switch{put<&Asked::dry_run>}},
    {"max-services", "N", nullptr, kScans,
     kind::Whole{1, KSMS_MAX_SERVICES, put<&Asked::max_services>}},
    {"range-limit", "N", nullptr, kScans, kind::Whole{1, kPorts, put<&Asked::range_limit>}},
    {"force", nullptr, nullptr, kScans, kind::Switch{put<&Asked::force>}},
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
