// SPDX-License-Identifier: BSD-2-Clause
#include "judge/summary.hpp"

#include <algorithm>
#include <limits>
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

TextIndex Summary::text(std::string_view text) {
    const auto known = text_numbers_.find(text);
    if (known != text_numbers_.end()) return known->second;
    if (texts_.size() > std::numeric_limits<std::underlying_type_t<TextIndex>>::max())
        return kNoText;
    const auto number = static_cast<TextIndex>(texts_.size());
    texts_.emplace_back(text);
    text_numbers_.emplace(text, number);
    return number;
}

std::uint32_t Summary::change(const Change& change) {
    if (!change.any()) return 0;
    const auto [known, added] =
        change_numbers_.try_emplace(change, static_cast<std::uint32_t>(changes_.size()));
    if (added) changes_.push_back(change);
    return known->second;
}

std::vector<ChangeAt> Summary::changes_of(const ProbeVerdict& verdict) {
    std::vector<ChangeAt> list;
    for (const auto& at : verdict.walk)
        if (at.change.any())
            list.emplace_back(static_cast<RouterIndex>(at.router), change(at.change));
    return list;
}

std::uint32_t Summary::change_list(std::vector<ChangeAt> list) {
    if (list.empty()) return 0;
    const auto [known, added] =
        list_numbers_.try_emplace(list, static_cast<std::uint32_t>(change_lists_.size()));
    if (added) change_lists_.push_back(std::move(list));
    return known->second;
}

Cause Summary::cause_of(const ProbeVerdict& verdict) {
    auto cause = verdict.cause;
    cause.text = text(verdict.text);
    cause.iface = text(verdict.iface);
    cause.netns = text(verdict.netns);
    return cause;
}

void Summary::merge(ServiceReport& into, const ProbeVerdict& verdict, std::uint32_t changes) {
    into.result = verdict.result;
    into.cause = cause_of(verdict);
    into.changes = changes;
}

/// Those of the ways of all entries: most services have one entry, or no change at all.
std::uint32_t Summary::joined(std::uint32_t all, std::uint32_t more) {
    if (all == 0 || all == more) return more;
    auto list = change_lists_[all];
    for (const auto& each : change_lists_[more])
        if (std::ranges::find(list, each) == list.end()) list.push_back(each);
    return change_list(std::move(list));
}

void Summary::add(std::size_t entry, std::size_t service, const ProbeVerdict& verdict,
                  std::uint32_t sent) {
    for (std::size_t place = 0; place < verdict.walk.size(); ++place) {
        const auto& at = verdict.walk[place];
        if (!plan_.answers(at.router, place)) continue;
        auto& into = row(entry, at);
        if (!at.egress_iface.empty()) {
            const bool judged = at.answer.result != Verdict::unknown;
            ++(judged ? into.egress : into.planned_egress)[at.egress_iface];
        }
        if (!at.ingress_iface.empty()) ++into.ingress[at.ingress_iface];
        auto& answer = into.report.services[service];
        answer = at.answer;
        answer.service = static_cast<std::uint32_t>(service);
        answer.text = text(at.text);
        answer.iface = text(at.egress_iface);
        answer.change = change(at.change);
    }
    auto& end = ends_[service];
    end.sent = std::max(end.sent, sent);
    end.notes.add(verdict.notes);
    const auto changes = change_list(changes_of(verdict));
    end.all_changes = joined(end.all_changes, changes);
    if (verdict.arrival.known() && !end.arrival.reached) {  // of several entries, one is enough
        end.arrival = verdict.arrival;
        end.arrival.host = text(verdict.host);
    }
    if (!filled_[service] || badness(verdict.result) > badness(end.result))
        merge(end, verdict, changes);
    filled_[service] = true;
}

void Summary::finish_row(Row& row) {
    auto& report = row.report;
    report.iface = most_used(row.egress.empty() ? row.planned_egress : row.egress);
    report.ingress_iface = most_used(row.ingress);
}

void Summary::finish(const KernelWords& words, Report& report) {
    std::set<std::size_t> different;
    for (std::size_t entry = 0; entry < plan_.entries.size(); ++entry) {
        std::vector<Row*> order;
        for (auto& [key, row] : rows_) {
            if (key.first != entry) continue;
            different.insert(key.second);
            finish_row(row);
            for (auto& answer : row.report.services)
                if (answer.iface == text(row.report.iface)) answer.iface = kNoText;
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
    for (const auto& router : plan_.routers) report.router_names.push_back(router.netns.name());
    report.words = words;
    report.texts = std::move(texts_);
    report.changes = std::move(changes_);
    report.change_lists = std::move(change_lists_);
}

}  // namespace ksms
