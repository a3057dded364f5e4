// SPDX-License-Identifier: BSD-2-Clause
#include "output/text.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "explain/explain.hpp"
#include "output/layout.hpp"
#include "output/matrix.hpp"

namespace ksms {
namespace {

constexpr std::size_t kPortsInHint = 60;  // columns

std::string milliseconds(double value) {
    return value < 9.95 ? fmt::format("{:.1f} ms", value)
                        : fmt::format("{} ms", std::llround(value));
}

/// "10.1.1.100 (ts-hq) -> 10.2.5.100   path   dscp 33 (tos 0x84)   job 7f3a   21 ms"
std::string head(const Report& report, std::size_t width) {
    const bool ipv6 = report.source.family == AF_INET6;
    std::vector<std::string> parts{
        fmt::format("{} ({}) -> {}", report.source.text(), joined(report.entries, ", "),
                    report.destination.text()),
        report.mode,
        fmt::format("dscp {} ({} 0x{:02x})", report.dscp, ipv6 ? "traffic class" : "tos",
                    report.dscp << 2),
        "job " + report.job, milliseconds(report.timing.total)};
    if (report.state != ScanState::done) parts.emplace_back(name_of(report.state));
    std::string text, line;
    for (const auto& part : parts) {
        const auto clean = printable(part);
        if (!line.empty() && width_of(line) + 3 + width_of(clean) > width) {
            text += line + '\n';
            line = "  ";
        }
        line += (line.empty() || line == "  " ? "" : "   ") + wrapped_text(clean, width, 2);
    }
    return text + line + '\n';
}

/// "1 stops (br-gw 1)"
std::string stops(const Report& report) {
    std::map<std::string, std::size_t> at;
    for (const auto& service : report.services)
        if (service.result == Verdict::no) ++at[service.stopped_at];
    std::vector<std::string> routers;
    for (const auto& router : report.routers) {
        const auto found = at.find(router.name);
        if (found == at.end()) continue;
        routers.push_back(fmt::format("{} {}", printable(router.name), found->second));
        at.erase(found);
    }
    for (const auto& [router, count] : at)  // on the way, but not asked for
        routers.push_back(fmt::format("{} {}", printable(router), count));
    return fmt::format("{} stop{}{}", report.no, report.no == 1 ? "s" : "",
                       routers.empty() ? "" : fmt::format(" ({})", joined(routers, ", ")));
}

bool uses(const Report& report, std::string_view cell) {
    return std::ranges::any_of(report.routers, [&](const RouterReport& router) {
        return std::ranges::any_of(router.services, [&](const ServiceAtRouter& answer) {
            return cell == cell_of(answer);
        });
    });
}

std::string summary(const Report& report, std::size_t width) {
    auto text = fmt::format("{} pass{}", report.yes, report.yes == 1 ? "es" : "");
    if (report.no > 0) text += ", " + stops(report);
    if (report.unknown > 0) text += fmt::format(", {} unknown", report.unknown);
    std::vector<std::string> legend;
    if (uses(report, "-")) legend.emplace_back("- stopped before");
    if (uses(report, ".")) legend.emplace_back(". not on its path");
    const auto symbols = joined(legend, "   ");
    const bool fits = width_of(text) + 5 + symbols.size() <= width;
    text = wrapped_text(text, width, 0);
    if (!symbols.empty()) text += (fits ? "     " : "\n") + symbols;
    return text + '\n';
}

/// The services without an answer, as many as a line can hold.
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

/// What to do about UNKNOWN, by the first reason given for one.
std::string unknown_hint(const Report& report) {
    const auto found = std::ranges::find(report.services, Verdict::unknown, &ServiceReport::result);
    if (found == report.services.end()) return {};
    const std::string_view reason = found->reason;
    if (report.state == ScanState::interrupted) return "it was interrupted; run it again";
    if (reason == "not_sent:deadline")
        return "the deadline came first: a longer --deadline, or a higher --rate";
    if (reason == "not_sent:taps-gone")
        return "something changed on the way while it ran; run it again";
    if (reason == "not_sent:another way")
        return "the source's routes changed while it ran; run it again";
    if (reason == "not_sent:next-hop-missing")
        return "a next hop does not answer: look at its link and address (ip neighbour)";
    if (reason == "not_sent:past-its-taps")
        return "a program in front of the taps may hide packets from them: try --tap xdp";
    if (reason.starts_with("not_sent"))
        return "nothing left the source: look at its routes, links and firewall; "
               "ksmsctl scan --dry-run shows the way";
    if (reason.starts_with("lost")) {
        const bool few = report.unknown <= kMostExplained;
        return fmt::format("ksmsctl {} -s {} -d {} -P {}{}", few ? "explain" : "scan -v",
                           report.source.text(), report.destination.text(), unknown_ports(report),
                           few ? "" : " --retries 8 --rate 100");
    }
    return "ksmsctl doctor says what this machine allows";
}

/// Interfaces and timing.
std::string details(const Report& report, std::size_t width) {
    Table table({"HOP", "ROUTER", "FROM", "IN", "OUT"});
    for (const auto& router : report.routers)
        table.add({std::to_string(router.hop), router.name, router.entry,
                   router.ingress_iface.empty() ? "-" : router.ingress_iface,
                   router.iface.empty() ? "-" : router.iface});
    const auto& t = report.timing;
    return table.text(width) + fmt::format("\nplan {}, attach {}, probe {}, settle {}\n",
                                           milliseconds(t.plan), milliseconds(t.attach),
                                           milliseconds(t.probe), milliseconds(t.settle));
}

}  // namespace

std::string scan_text(const Report& report, const TextStyle& style) {
    const auto rows = matrix_rows(report, style.details);
    auto text = head(report, style.width) + '\n' + matrix_text(report, rows, style) + '\n';
    if (style.details) text += details(report, style.width) + '\n';
    text += summary(report, style.width);
    const auto hint = style.hints ? unknown_hint(report) : std::string();
    if (!hint.empty()) text += wrapped_text("hint: " + hint, style.width, 6) + '\n';
    return text;
}

}  // namespace ksms
