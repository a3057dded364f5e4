// SPDX-License-Identifier: BSD-2-Clause
#include "output/scan_view.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "output/hint.hpp"
#include "output/words.hpp"

namespace ksms {
namespace {

Cell cell_of(const ServiceAtRouter& answer) {
    if (!answer.on_path) return Cell::not_on_path;
    if (answer.stopped_before()) return Cell::stopped_before;
    switch (answer.result) {
        case Verdict::yes: return Cell::yes;
        case Verdict::no: return Cell::no;
        case Verdict::unknown:
        case Verdict::mixed: break;
    }
    return Cell::unknown;
}

/// The rows of one entry.
class Rows {
public:
    /// @param entry  "": there is only one
    Rows(const Report& report, const std::vector<ServiceReport>& services, const std::string& entry)
        : report_(report), services_(services) {
        for (const auto& router : report.routers)
            if (entry.empty() || router.entry == entry) routers_.push_back(&router);
    }

    [[nodiscard]] ScanView::Table table(const std::string& name) const {
        ScanView::Table table{name, {}, {}};
        for (const auto* router : routers_)
            table.routers.push_back(
                {router->name, router->entry, router->iface, router->ingress_iface, router->hop});
        for (std::size_t i = 0, count = 1; i < services_.size(); i += count) {
            for (count = 1; i + count < services_.size() && same_row(i, i + count);) ++count;
            table.rows.push_back(row_of(i, count));
        }
        return table;
    }

private:
    /// Whether two services of consecutive ports have equal rows.
    [[nodiscard]] bool same_row(std::size_t a, std::size_t b) const {
        const auto &one = services_[a], &other = services_[b];
        const bool same = one.service.protocol == other.service.protocol &&
                          one.service.port + (b - a) == other.service.port &&
                          same_answer(one, other);
        return same && std::ranges::all_of(routers_, [&](const RouterReport* router) {
                   return cell_of(router->services[a]) == cell_of(router->services[b]);
               });
    }

    [[nodiscard]] ScanView::Row row_of(std::size_t first, std::size_t count) const {
        const auto& service = services_[first];
        ScanView::Row row{
            service.service, count, {}, service.result, why_text(report_, service), ""};
        if (service.cause.why == Why::dropped)
            row.place = report_.words[service.cause.dropped.place];
        for (const auto* router : routers_) row.cells.push_back(cell_of(router->services[first]));
        return row;
    }

    const Report& report_;
    const std::vector<ServiceReport>& services_;
    std::vector<const RouterReport*> routers_;
};

}  // namespace

bool ScanView::Table::looks_like(const Table& other) const {
    return rows == other.rows &&
           std::ranges::equal(routers, other.routers, {}, &Router::name, &Router::name);
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
    if (report.by_entry.empty())
        view.tables.push_back(Rows(report, report.services, "")
                                  .table(report.entries.empty() ? "" : report.entries.front()));
    for (const auto& entry : report.by_entry)
        view.tables.push_back(Rows(report, entry.services, entry.name).table(entry.name));
    for (const auto& service : report.services)
        if (service.result == Verdict::no) ++view.stops[stopped_at(report, service)];
    view.yes = report.yes;
    view.no = report.no;
    view.unknown = report.unknown;
    view.mixed = report.mixed;
    if (report.probed)
        view.by_class = static_cast<std::uint32_t>(report.services.size()) - *report.probed;
    view.hint = hint_text(report);
    return view;
}

}  // namespace ksms
