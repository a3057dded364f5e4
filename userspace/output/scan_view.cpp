// SPDX-License-Identifier: BSD-2-Clause
#include "output/scan_view.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "explain/explain.hpp"
#include "output/layout.hpp"
#include "output/words.hpp"

namespace ksms {
namespace {

constexpr std::size_t kPortsInHint = 60;  // columns

Cell cell_of(const ServiceAtRouter& answer) {
    if (!answer.on_path) return Cell::not_on_path;
    if (answer.stopped_before()) return Cell::stopped_before;
    switch (answer.result) {
        case Verdict::yes: return Cell::yes;
        case Verdict::no: return Cell::no;
        case Verdict::unknown: break;
    }
    return Cell::unknown;
}

/// Whether two services of consecutive ports have equal rows.
bool same_row(const Report& report, std::size_t a, std::size_t b) {
    const auto &one = report.services[a], &other = report.services[b];
    const bool same = one.service.protocol == other.service.protocol &&
                      one.service.port + (b - a) == other.service.port &&
                      one.result == other.result && one.cause == other.cause &&
                      one.changes == other.changes && one.arrival == other.arrival &&
                      (one.cause.why != Why::lost || one.sent == other.sent);
    return same && std::ranges::all_of(report.routers, [&](const RouterReport& router) {
               return cell_of(router.services[a]) == cell_of(router.services[b]);
           });
}

ScanView::Row row_of(const Report& report, std::size_t first, std::size_t count) {
    const auto& service = report.services[first];
    ScanView::Row row{service.service, count, {}, service.result, why_text(report, service), ""};
    if (service.cause.why == Why::dropped) row.place = report.words[service.cause.dropped.place];
    for (const auto& router : report.routers) row.cells.push_back(cell_of(router.services[first]));
    return row;
}

/// The services that are UNKNOWN, as many as fit on a line.
std::string unknown_ports(const Report& report) {
    std::vector<Service> services;
    for (const auto& service : report.services)
        if (service.result == Verdict::unknown) services.push_back(service.service);
    std::string text;
    for (const auto& range : service_ranges(services)) {
        if (!text.empty() && text.size() + 1 + range.size() > kPortsInHint) break;
        text += (text.empty() ? "" : ",") + range;
    }
    return text;
}

std::string look_closer(const Report& report) {
    const bool few = report.unknown <= kMostExplained;
    return fmt::format("ksmsctl {} -s {} -d {} -P {}{}", few ? "explain" : "scan -v",
                       report.source.text(), report.destination.text(), unknown_ports(report),
                       few ? "" : " --retries 8 --rate 100");
}

}  // namespace

std::string hint_text(const Report& report) {
    const auto found = std::ranges::find(report.services, Verdict::unknown, &ServiceReport::result);
    if (found == report.services.end()) return {};
    if (report.state == ScanState::interrupted) return "it was interrupted; run it again";
    switch (found->cause.why) {
        case Why::lost:
        case Why::no_word:
        case Why::proxied:
        case Why::held:
        case Why::not_looked_at:
        case Why::redirected:
        case Why::rate_limited:
        case Why::before_router:
        case Why::unwatched: return look_closer(report);
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
        case Why::stopped_before: break;
    }
    return "ksmsctl doctor says what this machine allows";
}

ScanView view_of(const Report& report) {
    ScanView view;
    view.source = report.source.text();
    view.destination = report.destination.text();
    view.ipv6 = report.source.family == AF_INET6;
    view.mode = report.mode;
    view.job = report.job;
    view.state = name_of(report.state);
    view.dscp = report.dscp;
    view.carried_dscp = report.carried_dscp;
    view.timing = report.timing;
    view.entries = report.entries;
    for (const auto& router : report.routers)
        view.routers.push_back(
            {router.name, router.entry, router.iface, router.ingress_iface, router.hop});
    const auto& services = report.services;
    for (std::size_t i = 0, count = 1; i < services.size(); i += count) {
        for (count = 1; i + count < services.size() && same_row(report, i, i + count);) ++count;
        view.rows.push_back(row_of(report, i, count));
    }
    for (const auto& service : services)
        if (service.result == Verdict::no) ++view.stops[stopped_at(report, service)];
    view.yes = report.yes;
    view.no = report.no;
    view.unknown = report.unknown;
    view.hint = hint_text(report);
    return view;
}

}  // namespace ksms
