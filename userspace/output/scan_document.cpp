// SPDX-License-Identifier: BSD-2-Clause
// Makes the view for the text of a scan of its JSON document.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <concepts>
#include <initializer_list>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "output/scan_view.hpp"

namespace ksms {
namespace {

using nlohmann::json;

/// "" if the value is null or missing.
std::string text(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A whole number, 0 if it is missing. Throws for other values: the library would convert -1, 0.5
/// and 1e300 silently.
template <std::unsigned_integral Number>
Number number(const json& object, const char* key) {
    const auto value = object.value(key, json(0U));
    if (!value.is_number_unsigned()) throw std::range_error(key);
    const auto whole = value.get<std::uint64_t>();
    if (whole > std::numeric_limits<Number>::max()) throw std::range_error(key);
    return static_cast<Number>(whole);
}

Verdict verdict(const json& object) {
    const auto word = text(object, "result");
    for (const auto each : {Verdict::yes, Verdict::no, Verdict::mixed})
        if (word == name_of(each)) return each;
    return Verdict::unknown;
}

Service service(const json& object) {
    Service result;
    result.port = number<std::uint16_t>(object, "port");
    if (result.port == 0) throw std::range_error("port");
    result.protocol = text(object, "protocol") == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    return result;
}

Cell cell(const json& object) {
    if (text(object, "reason").starts_with("stopped_before:")) return Cell::stopped_before;
    switch (verdict(object)) {
        case Verdict::yes: return Cell::yes;
        case Verdict::no: return Cell::no;
        case Verdict::unknown:
        case Verdict::mixed: break;
    }
    return Cell::unknown;
}

ScanView::Row row_of(const json& object) {
    ScanView::Row row;
    row.first = service(object);
    row.end = verdict(object);
    row.why = text(object, "why");
    row.place = text(object, "place");
    return row;
}

/// Joins consecutive ports with equal rows.
void join_rows(std::vector<ScanView::Row>& rows) {
    std::vector<ScanView::Row> joined;
    for (auto& row : rows) {
        auto* last = joined.empty() ? nullptr : &joined.back();
        const bool same = last != nullptr && last->first.protocol == row.first.protocol &&
                          last->first.port + last->count == row.first.port &&
                          last->end == row.end && last->why == row.why &&
                          last->place == row.place && last->cells == row.cells;
        if (same)
            ++last->count;
        else
            joined.push_back(std::move(row));
    }
    rows = std::move(joined);
}

/// The table of one entry while it is read.
class TableReader {
public:
    TableReader(std::string entry, const json& services) {
        table_.entry = std::move(entry);
        for (const auto& each : services) {
            table_.rows.push_back(row_of(each));
            if (!rows_.emplace(table_.rows.back().first, rows_.size()).second)
                throw std::range_error("a service is there twice");
        }
    }

    void add(const json& router) {
        table_.routers.push_back({text(router, "name"), text(router, "entry"),
                                  text(router, "iface"), text(router, "ingress_iface"),
                                  number<std::uint32_t>(router, "hop")});
        for (auto& row : table_.rows) row.cells.push_back(Cell::not_on_path);
        for (const auto& each : router.at("services"))
            table_.rows[rows_.at(service(each))].cells.back() = cell(each);
    }

    [[nodiscard]] const std::string& entry() const { return table_.entry; }
    [[nodiscard]] ScanView::Table take() {
        join_rows(table_.rows);
        return std::move(table_);
    }

private:
    ScanView::Table table_;
    std::map<Service, std::size_t> rows_;
};

/// Several entries are objects with services of their own; where they are names, all routers are of
/// one table.
std::vector<TableReader> tables_of(const json& document) {
    const auto& entries = document.at("entries");
    std::vector<TableReader> tables;
    if (!entries.empty() && entries.front().is_object()) {
        for (const auto& each : entries)
            tables.emplace_back(text(each, "entry"), each.at("services"));
        return tables;
    }
    const auto names = entries.get<std::vector<std::string>>();
    tables.emplace_back(fmt::format("{}", fmt::join(names, ", ")), document.at("services"));
    return tables;
}

void read_tables(const json& document, ScanView& view) {
    auto tables = tables_of(document);
    for (const auto& router : document.at("routers")) {
        const auto its = tables.size() == 1 ? tables.begin()
                                            : std::ranges::find(tables, text(router, "entry"),
                                                                &TableReader::entry);
        if (its == tables.end()) throw std::range_error("a router of no entry");
        its->add(router);
    }
    for (auto& each : tables) view.tables.push_back(each.take());
}

ScanView read(const json& document) {
    ScanView view;
    view.source = text(document, "source");
    view.destination = text(document, "destination");
    view.ipv6 = view.source.find(':') != std::string::npos;
    view.mode = text(document, "mode");
    view.job = text(document, "job");
    view.state = text(document, "state");
    view.dscp = number<std::uint8_t>(document, "dscp");
    view.carried_dscp = number<std::uint8_t>(document, "carried_dscp");
    view.hint = text(document, "hint");
    for (const auto& each : document.at("services"))
        if (verdict(each) == Verdict::no) ++view.stops[text(each, "stopped_at")];
    read_tables(document, view);
    const auto& summary = document.at("summary");
    view.yes = number<std::uint32_t>(summary, "yes");
    view.no = number<std::uint32_t>(summary, "no");
    view.unknown = number<std::uint32_t>(summary, "unknown");
    view.mixed = number<std::uint32_t>(summary, "mixed");
    view.by_class = number<std::uint32_t>(summary, "by_class");
    const auto& timing = document.at("timing_ms");
    const auto time = [&](const char* key) { return Milliseconds(timing.value(key, 0.0)); };
    view.timing = {time("plan"), time("attach"), time("probe"), time("settle"), time("total")};
    return view;
}

}  // namespace

Result<ScanView> view_of_document(std::string_view document) {
    // The library stops at a NUL.
    const bool whole = document.find('\0') == std::string_view::npos;
    try {
        const auto parsed = json::parse(document);
        if (whole && text(parsed, "schema") == "ksms.scan/1") return read(parsed);
    } catch (const std::exception&) {
        return fail(Code::failed, "the result is no document of a scan");
    }
    return fail(Code::failed, "the result is no document of a scan");
}

}  // namespace ksms
