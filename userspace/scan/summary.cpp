// SPDX-License-Identifier: BSD-2-Clause
#include "scan/summary.hpp"

#include <algorithm>
#include <set>

namespace ksms {
namespace {

/// The interface that most services took.
std::string most_used(const std::map<std::string, std::size_t>& interfaces) {
    const auto found =
        std::ranges::max_element(interfaces, {}, [](const auto& each) { return each.second; });
    return found == interfaces.end() ? std::string() : found->first;
}

/// Of several entries the worst answer counts: a NO, then an UNKNOWN.
int badness(Verdict verdict) {
    switch (verdict) {
        case Verdict::no: return 2;
        case Verdict::unknown: return 1;
        case Verdict::yes: break;
    }
    return 0;
}

}  // namespace

const char* name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::yes: return "YES";
        case Verdict::no: return "NO";
        case Verdict::unknown: break;
    }
    return "UNKNOWN";
}

const char* name_of(ScanState state) {
    switch (state) {
        case ScanState::done: return "done";
        case ScanState::partial: return "partial";
        case ScanState::interrupted: break;
    }
    return "interrupted";
}

Summary::Summary(const Plan& plan, const std::vector<Service>& services)
    : plan_(plan), services_(services), ends_(services.size()), filled_(services.size(), false) {
    for (std::size_t i = 0; i < services.size(); ++i) ends_[i].service = services[i];
}

Summary::Row& Summary::row(std::size_t entry, const ProbeVerdict::AtRouter& at) {
    const auto [found, added] = rows_.try_emplace({entry, at.router});
    auto& report = found->second.report;
    if (added) {
        report.name = plan_.routers[at.router].netns.name();
        report.entry = plan_.entries[entry].name();
        report.hop = at.hop;
        report.services.resize(services_.size());
        for (std::uint32_t i = 0; i < services_.size(); ++i) {
            report.services[i].service = i;
            report.services[i].on_path = false;
        }
    }
    report.hop = std::max(report.hop, at.hop);
    return found->second;
}

void Summary::merge(ServiceReport& into, ProbeVerdict verdict) {
    into.result = verdict.result;
    into.stopped_at = std::move(verdict.stopped_at);
    into.reason = verdict.result == Verdict::yes ? std::string() : std::move(verdict.reason);
    into.place = std::move(verdict.place);
    into.hook = std::move(verdict.hook);
    into.answer = std::move(verdict.answer);
    into.why = std::move(verdict.why);
}

void Summary::add(std::size_t entry, std::size_t service, ProbeVerdict verdict,
                  std::uint32_t sent) {
    for (std::size_t place = 0; place < verdict.walk.size(); ++place) {
        auto& at = verdict.walk[place];
        if (!plan_.answers(at.router, place)) continue;
        auto& into = row(entry, at);
        if (!at.egress_iface.empty()) {
            const bool judged = at.answer.result != Verdict::unknown;
            ++(judged ? into.egress : into.planned_egress)[at.egress_iface];
        }
        if (!at.ingress_iface.empty()) ++into.ingress[at.ingress_iface];
        at.answer.service = static_cast<std::uint32_t>(service);
        at.answer.egress_iface = at.egress_iface;
        into.report.services[service] = std::move(at.answer);
    }
    auto& end = ends_[service];
    end.sent = std::max(end.sent, sent);
    for (auto& note : verdict.notes)
        if (std::ranges::find(end.notes, note) == end.notes.end()) end.notes.push_back(note);
    if (verdict.reached && !end.reached.value_or(false)) {  // of several entries, one is enough
        end.reached = verdict.reached;
        end.reached_why = verdict.reached_why;
    }
    if (!filled_[service] || badness(verdict.result) > badness(end.result))
        merge(end, std::move(verdict));
    filled_[service] = true;
}

void Summary::finish_row(Row& row) const {
    auto& report = row.report;
    report.iface = most_used(row.egress.empty() ? row.planned_egress : row.egress);
    report.ingress_iface = most_used(row.ingress);
    for (auto& answer : report.services)
        if (answer.egress_iface == report.iface) answer.egress_iface = Name();
}

void Summary::finish(Report& report) {
    std::set<std::size_t> different;
    for (std::size_t entry = 0; entry < plan_.entries.size(); ++entry) {
        std::vector<Row*> order;
        for (auto& [key, row] : rows_) {
            if (key.first != entry) continue;
            different.insert(key.second);
            finish_row(row);
            order.push_back(&row);
        }
        std::ranges::stable_sort(order, {}, [](const Row* row) { return row->report.hop; });
        for (auto* row : order) report.routers.push_back(std::move(row->report));
        const auto& name = plan_.entries[entry].name();
        if (std::ranges::find(report.entries, name) == report.entries.end())
            report.entries.push_back(name);
    }
    for (const auto& end : ends_) {
        if (end.result == Verdict::yes) ++report.yes;
        if (end.result == Verdict::no) ++report.no;
        if (end.result == Verdict::unknown) ++report.unknown;
    }
    report.router_count = static_cast<std::uint32_t>(different.size());
    report.services = std::move(ends_);
}

}  // namespace ksms
