// SPDX-License-Identifier: BSD-2-Clause
#include "judge/summary.hpp"

#include <algorithm>
#include <limits>
#include <ranges>
#include <set>

namespace ksms {
namespace {

/// The interface that most services took.
std::string most_used(const std::map<std::string, std::size_t>& interfaces) {
    const auto found =
        std::ranges::max_element(interfaces, {}, [](const auto& each) { return each.second; });
    return found == interfaces.end() ? std::string() : found->first;
}

/// Of the routers of an entry that answer for themselves (isolated) the worst answer counts: a NO,
/// then an UNKNOWN.
int badness(Verdict verdict) {
    switch (verdict) {
        case Verdict::no: return 2;
        case Verdict::unknown: return 1;
        case Verdict::yes:
        case Verdict::mixed: break;
    }
    return 0;
}

}  // namespace

Summary::Summary(const Plan& plan, const std::vector<Service>& services)
    : plan_(plan), services_(services) {
    for (const auto& entry : plan.entries) ends_of_.push_back(ends_named(entry.name()));
}

/// @return their number in ends_
std::size_t Summary::ends_named(const std::string& name) {
    const auto known = std::ranges::find(ends_, name, &Ends::name);
    const auto number = static_cast<std::size_t>(known - ends_.begin());
    if (known != ends_.end()) return number;
    Ends ends{name, std::vector<ServiceReport>(services_.size()),
              std::vector<bool>(services_.size(), false)};
    for (std::size_t i = 0; i < services_.size(); ++i) ends.services[i].service = services_[i];
    ends_.push_back(std::move(ends));
    return number;
}

Summary::Row& Summary::row(const RowOf& of, const ProbeVerdict::AtRouter& at) {
    const auto [found, added] = rows_.try_emplace(of);
    auto& report = found->second.report;
    if (added) {
        report.name = plan_.routers[at.router].netns.name();
        report.entry = ends_[of.ends].name;
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
    const auto ends = ends_of_[entry];
    for (std::size_t place = 0; place < verdict.walk.size(); ++place) {
        const auto& at = verdict.walk[place];
        if (plan_.answers(at.router, place)) add_router({ends, entry, at.router}, service, at);
    }
    add_end(ends_[ends], service, verdict, sent);
}

void Summary::add_router(const RowOf& of, std::size_t service, const ProbeVerdict::AtRouter& at) {
    auto& into = row(of, at);
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

void Summary::add_end(Ends& ends, std::size_t service, const ProbeVerdict& verdict,
                      std::uint32_t sent) {
    auto& end = ends.services[service];
    end.sent = std::max(end.sent, sent);
    end.notes.add(verdict.notes);
    const auto changes = change_list(changes_of(verdict));
    end.all_changes = joined(end.all_changes, changes);
    if (verdict.arrival.known() && !end.arrival.reached) {  // one router's is enough
        end.arrival = verdict.arrival;
        end.arrival.host = text(verdict.host);
    }
    if (!ends.filled[service] || badness(verdict.result) > badness(end.result))
        merge(end, verdict, changes);
    ends.filled[service] = true;
}

ServiceReport Summary::of_all(std::size_t service) {
    const auto& first = ends_.front().services[service];
    auto all = first;
    for (const auto& entry : ends_ | std::views::drop(1)) {
        const auto& one = entry.services[service];
        add_answer(one, first, all);
        all.all_changes = joined(all.all_changes, one.all_changes);
    }
    return all;
}

void Summary::finish_ends(Report& report) {
    for (auto& ends : ends_) {
        report.entries.push_back(ends.name);
        for (std::size_t i = 0; i < services_.size(); ++i) {
            if (ends.filled[i]) continue;  // isolated: another's way, or none
            ends.services[i].cause.why = Why::no_way;
            ends.services[i].cause.text = text("no router is on its way");
        }
    }
    if (ends_.size() == 1) {
        report.services = std::move(ends_.front().services);
    } else {
        for (std::size_t i = 0; i < services_.size(); ++i) report.services.push_back(of_all(i));
        for (auto& ends : ends_)
            report.by_entry.push_back({std::move(ends.name), std::move(ends.services)});
    }
    report.yes = count(report.services, Verdict::yes);
    report.no = count(report.services, Verdict::no);
    report.unknown = count(report.services, Verdict::unknown);
    report.mixed = count(report.services, Verdict::mixed);
}

void Summary::finish_row(Row& row) {
    auto& report = row.report;
    report.iface = most_used(row.egress.empty() ? row.planned_egress : row.egress);
    report.ingress_iface = most_used(row.ingress);
}

/// In path order, entry by entry.
void Summary::finish_routers(Report& report) {
    std::set<std::size_t> different;
    std::map<std::pair<std::size_t, std::size_t>, std::vector<Row*>> ways;  // of (ends, entry)
    for (auto& [of, row] : rows_) {
        different.insert(of.router);
        finish_row(row);
        for (auto& answer : row.report.services)
            if (answer.iface == text(row.report.iface)) answer.iface = kNoText;
        ways[{of.ends, of.entry}].push_back(&row);
    }
    for (auto& [of, order] : ways) {
        std::ranges::stable_sort(order, {}, [](const Row* row) { return row->report.hop; });
        for (auto* row : order) report.routers.push_back(std::move(row->report));
    }
    report.router_count = static_cast<std::uint32_t>(different.size());
}

void Summary::finish(const KernelWords& words, Report& report) {
    finish_routers(report);
    finish_ends(report);
    for (const auto& router : plan_.routers) report.router_names.push_back(router.netns.name());
    report.words = words;
    report.texts = std::move(texts_);
    report.changes = std::move(changes_);
    report.change_lists = std::move(change_lists_);
}

}  // namespace ksms
