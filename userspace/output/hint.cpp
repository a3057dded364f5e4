// SPDX-License-Identifier: BSD-2-Clause
#include "output/hint.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "explain/explain.hpp"
#include "output/layout.hpp"

namespace ksms {
namespace {

constexpr std::size_t kPortsInHint = 60;  // columns

/// As many as fit on a line.
std::string ports_text(const std::vector<Service>& services) {
    std::string text;
    for (const auto& range : service_ranges(services)) {
        if (!text.empty() && text.size() + 1 + range.size() > kPortsInHint) break;
        text += (text.empty() ? "" : ",") + range;
    }
    return text;
}

/// The command that looks closer at these services.
/// @param entry  "": no matter which
std::string look_closer(const Report& report, const std::vector<Service>& services,
                        const std::string& entry) {
    const bool few = services.size() <= kMostExplained;
    return fmt::format("ksmsctl {}{} -s {} -d {} -P {}{}", few ? "explain" : "scan -v",
                       entry.empty() ? "" : " --source-netns " + entry, report.source.text(),
                       report.destination.text(), ports_text(services),
                       few ? "" : " --retries 8 --rate 100");
}

std::vector<Service> with_result(const std::vector<ServiceReport>& all, Verdict verdict) {
    std::vector<Service> services;
    for (const auto& each : all)
        if (each.result == verdict) services.push_back(each.service);
    return services;
}

/// The first entry from which one of the services that differ does not pass.
std::string ask_one_entry(const Report& report) {
    for (const auto& entry : report.by_entry) {
        std::vector<Service> services;
        for (std::size_t i = 0; i < report.services.size(); ++i)
            if (report.services[i].result == Verdict::mixed &&
                entry.services[i].result != Verdict::yes)
                services.push_back(report.services[i].service);
        if (!services.empty())
            return "one entry alone: " + look_closer(report, services, entry.name);
    }
    return {};
}

/// What to do about an UNKNOWN.
std::string about(const Report& report, const std::vector<ServiceReport>& services,
                  const ServiceReport& unknown, const std::string& entry) {
    switch (unknown.cause.why) {
        case Why::lost:
        case Why::no_word:
        case Why::proxied:
        case Why::held:
        case Why::not_looked_at:
        case Why::redirected:
        case Why::rate_limited:
        case Why::before_router:
        case Why::unwatched:
            return look_closer(report, with_result(services, Verdict::unknown), entry);
        case Why::deadline:
            return "the deadline expired first: use a longer --deadline or a higher --rate";
        case Why::taps_gone: return "something changed on the way while it ran; run it again";
        case Why::another_way: return "the source's routes changed while it ran; run it again";
        case Why::next_hop_missing:
        case Why::source_next_hop_missing:
            return "a next hop does not answer: look at its link and address (ip neighbour)";
        case Why::past_its_taps:
            return "a program in front of the taps may hide packets from them: try --tap xdp";
        case Why::remembered:
            return "ask for these services alone, once the rule has forgotten the source; or use "
                   "--gentle, which does not set such rules off";
        case Why::spared:
            return "without --gentle it is sent, and the rule may enter the source in its list";
        case Why::given_another: return "--mode path follows the packet that was changed";
        case Why::interrupted:
        case Why::send_failed:
        case Why::source_dropped:
        case Why::no_way:
            return "nothing left the source: look at its routes, links and firewall; "
                   "ksmsctl scan --dry-run shows the way";
        case Why::nothing:
        case Why::delivered:
        case Why::dropped:
        case Why::by_entry:
        case Why::stopped_before: break;
    }
    return "ksmsctl doctor says what this machine allows";
}

}  // namespace

std::string hint_text(const Report& report) {
    if (report.mixed + report.unknown == 0) return {};
    if (report.state == ScanState::interrupted) return "it was interrupted; run it again";
    if (report.mixed > 0) return ask_one_entry(report);
    const auto found = std::ranges::find(report.services, Verdict::unknown, &ServiceReport::result);
    if (found == report.services.end()) return {};
    if (report.by_entry.empty()) return about(report, report.services, *found, "");
    const auto& first = report.by_entry.front();
    const auto number = static_cast<std::size_t>(found - report.services.begin());
    return about(report, first.services, first.services[number], first.name);
}

}  // namespace ksms
