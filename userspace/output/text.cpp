// SPDX-License-Identifier: BSD-2-Clause
#include "output/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/dscp.hpp"
#include "output/layout.hpp"
#include "output/matrix.hpp"

namespace ksms {
namespace {

constexpr std::size_t kNamedInHead = 3;

std::string milliseconds(Milliseconds time) {
    const auto value = time.count();
    return value < 9.95 ? fmt::format("{:.1f} ms", value)
                        : fmt::format("{} ms", std::llround(value));
}

/// Many are counted: each table names its own.
std::string entries_of(const ScanView& view) {
    if (view.tables.size() > kNamedInHead) return fmt::format("{} entries", view.tables.size());
    std::vector<std::string> names;
    for (const auto& table : view.tables) names.push_back(table.entry);
    return joined(names, ", ");
}

/// "10.1.1.100 (ts-hq) -> 10.2.5.100   path   dscp 33 (tos 0x84)   job 7f3a   21 ms"
std::string head(const ScanView& view, std::size_t width) {
    std::vector<std::string> parts{
        fmt::format("{} ({}) -> {}", view.source, entries_of(view), view.destination), view.mode,
        fmt::format("dscp {}{} ({} 0x{:02x})", view.dscp,
                    view.carried_dscp == view.dscp ? std::string()
                                                   : fmt::format(", sent as {}", view.carried_dscp),
                    view.ipv6 ? "traffic class" : "tos", Dscp(view.carried_dscp).tos()),
        "job " + view.job, milliseconds(view.timing.total)};
    if (view.state != name_of(ScanState::done)) parts.push_back(view.state);
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
std::string stops(const ScanView& view) {
    auto at = view.stops;
    at.erase("");  // by another router for each entry
    std::vector<std::string> routers;
    for (const auto& table : view.tables) {
        for (const auto& router : table.routers) {
            const auto found = at.find(router.name);
            if (found == at.end()) continue;
            routers.push_back(fmt::format("{} {}", printable(router.name), found->second));
            at.erase(found);
        }
    }
    for (const auto& [router, count] : at)  // on the path, but hidden by --router
        routers.push_back(fmt::format("{} {}", printable(router), count));
    return fmt::format("{} stop{}{}", view.no, view.no == 1 ? "s" : "",
                       routers.empty() ? "" : fmt::format(" ({})", joined(routers, ", ")));
}

bool uses(const ScanView& view, Cell cell) {
    return std::ranges::any_of(view.tables, [cell](const ScanView::Table& table) {
        return std::ranges::any_of(table.rows, [cell](const ScanView::Row& row) {
            return std::ranges::find(row.cells, cell) != row.cells.end();
        });
    });
}

std::string summary(const ScanView& view, std::size_t width) {
    auto text = fmt::format("{} pass{}", view.yes, view.yes == 1 ? "es" : "");
    if (view.no > 0) text += ", " + stops(view);
    if (view.unknown > 0) text += fmt::format(", {} unknown", view.unknown);
    if (view.mixed > 0) text += fmt::format(", {} mixed (the entries differ)", view.mixed);
    if (view.by_class > 0)
        text += fmt::format("; {} of {} not probed: no rule tells {} from one that was",
                            view.by_class, view.yes + view.no + view.unknown + view.mixed,
                            view.by_class == 1 ? "it" : "them");
    std::vector<std::string> legend;
    if (uses(view, Cell::stopped_before)) legend.emplace_back("- stopped before");
    if (uses(view, Cell::not_on_path)) legend.emplace_back(". not on its path");
    const auto symbols = joined(legend, "   ");
    const bool fits = width_of(text) + 5 + symbols.size() <= width;
    text = wrapped_text(text, width, 0);
    if (!symbols.empty()) text += (fits ? "     " : "\n") + symbols;
    return text + '\n';
}

/// Interfaces and timing.
std::string details(const ScanView& view, std::size_t width) {
    Table table({"HOP", "ROUTER", "FROM", "IN", "OUT"});
    for (const auto& entry : view.tables)
        for (const auto& router : entry.routers)
            table.add({std::to_string(router.hop), router.name, router.entry,
                       router.ingress_iface.empty() ? "-" : router.ingress_iface,
                       router.iface.empty() ? "-" : router.iface});
    const auto& t = view.timing;
    return table.text(width) + fmt::format("\nplan {}, attach {}, probe {}, settle {}\n",
                                           milliseconds(t.plan), milliseconds(t.attach),
                                           milliseconds(t.probe), milliseconds(t.settle));
}

}  // namespace

std::string scan_text(const ScanView& view, const TextStyle& style) {
    auto text = head(view, style.width) + '\n' + matrix_text(view, style) + '\n';
    if (style.details) text += details(view, style.width) + '\n';
    text += summary(view, style.width);
    if (style.hints && !view.hint.empty())
        text += wrapped_text("hint: " + view.hint, style.width, 6) + '\n';
    return text;
}

}  // namespace ksms
