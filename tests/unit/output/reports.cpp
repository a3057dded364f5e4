// SPDX-License-Identifier: BSD-2-Clause
#include "reports.hpp"

#include <algorithm>
#include <ranges>

#include "ksms/abi.h"
#include "output/words.hpp"

namespace ksms {

using namespace std::chrono_literals;

ReportBuilder::ReportBuilder(const std::vector<std::string>& routers,
                             const std::vector<std::string>& entries) {
    report.source = *Address::parse("10.1.1.100");
    report.destination = *Address::parse("10.2.5.100");
    report.entries = entries;
    report.job = "7f3a";
    report.dscp = report.carried_dscp = 33;
    report.timing = {2ms, 5ms, 8ms, Milliseconds(5.5), Milliseconds(20.5)};
    for (const auto& entry : entries) {
        std::uint32_t hop = 0;
        for (const auto& name : routers) {
            RouterReport router;
            router.name = name;
            router.iface = "wg0";
            router.ingress_iface = "eth1";
            router.entry = entry;
            router.hop = ++hop;
            report.routers.push_back(std::move(router));
        }
    }
    if (entries.size() > 1)
        for (const auto& entry : entries) report.by_entry.push_back({entry, {}});
    report.router_names.assign(routers.begin(), routers.end());
    report.router_count = static_cast<std::uint32_t>(routers.size());
}

Why why_of(std::string_view reason) {
    for (int number = 0; number <= static_cast<int>(Why::no_way); ++number) {
        const auto why = static_cast<Why>(number);
        if (!reason_of(why).empty() && reason_of(why) == reason) return why;
    }
    return Why::send_failed;
}

TextIndex ReportBuilder::text(const std::string& text) {
    const auto known = std::ranges::find(report.texts, text);
    const auto at = known - report.texts.begin();
    if (known == report.texts.end()) report.texts.push_back(text);
    return static_cast<TextIndex>(at);
}

/// @param entry  the rows of this one
ServiceReport ReportBuilder::add_entry(std::size_t entry, const Service& which,
                                       std::string_view cells, const std::string& reason,
                                       const std::string& detail) {
    const auto each = report.routers.size() / report.entries.size();
    ServiceReport service;
    service.service = which;
    service.result = Verdict::yes;
    service.sent = 1;
    service.cause.text = text(detail);
    for (std::size_t i = 0; i < each; ++i) {
        auto& router = report.routers[entry * each + i];
        const auto index = static_cast<RouterIndex>(i);
        ServiceAtRouter answer;
        answer.service = static_cast<std::uint32_t>(report.services.size());
        const char cell = cells.at(entry * each + i);
        answer.on_path = cell != '.';
        if (cell == 'Y') answer.result = Verdict::yes;
        if (cell == 'N') answer.result = Verdict::no;
        if (cell == 'Y' || cell == 'N') answer.ingress_packets = 1, answer.ingress_bytes = 54;
        if (cell == 'Y') answer.egress_packets = 1, answer.egress_bytes = 54;
        if (cell == '-') {
            answer.why = Why::stopped_before;
            answer.stopped_by = service.cause.router;
        }
        if (cell == '?') {
            answer.why = why_of(reason);
            answer.text = service.cause.text;
        }
        if (cell == '?' && service.result == Verdict::yes) {
            service.result = Verdict::unknown;
            service.cause.why = answer.why;
            service.cause.router = index;
        }
        if (cell == 'N') {
            service.result = Verdict::no;
            answer.why = service.cause.why = Why::dropped;
            service.cause.router = index;
            answer.dropped = {report.words.add(reason), report.words.add("nft_do_chain"),
                              KSMS_HOOK_FORWARD, classify_drop(reason, "nft_do_chain").kind, true};
            service.cause.dropped = answer.dropped;
        }
        router.services.push_back(answer);
    }
    return service;
}

ReportBuilder& ReportBuilder::add(std::uint8_t protocol, std::uint16_t port, std::string_view cells,
                                  const std::string& reason, const std::string& detail) {
    std::vector<ServiceReport> own;
    for (std::size_t entry = 0; entry < report.entries.size(); ++entry)
        own.push_back(add_entry(entry, {protocol, port}, cells, reason, detail));
    auto all = own.front();
    for (const auto& one : own | std::views::drop(1)) add_answer(one, own.front(), all);
    report.services.push_back(all);
    for (std::size_t i = 0; i < report.by_entry.size(); ++i)
        report.by_entry[i].services.push_back(own[i]);
    switch (all.result) {
        case Verdict::yes: ++report.yes; break;
        case Verdict::no: ++report.no; break;
        case Verdict::unknown: ++report.unknown; break;
        case Verdict::mixed: ++report.mixed; break;
    }
    return *this;
}

ReportBuilder& ReportBuilder::sent(std::uint32_t times) {
    report.services.back().sent = times;
    return *this;
}

ReportBuilder& ReportBuilder::changed(RouterIndex router, const Change& change) {
    report.changes.push_back(change);
    const auto number = static_cast<std::uint32_t>(report.changes.size() - 1);
    report.change_lists.push_back({{router, number}});
    auto& service = report.services.back();
    service.changes = service.all_changes =
        static_cast<std::uint32_t>(report.change_lists.size() - 1);
    report.routers[std::to_underlying(router)].services.back().change = number;
    return *this;
}

Report example_report() {
    ReportBuilder builder({"hq-gw", "br-gw", "br-core"});
    Change change;
    change.destination = Endpoint{*Address::parse("10.2.5.9"), 8080};
    builder.add(IPPROTO_TCP, 22, "YYY")
        .add(IPPROTO_TCP, 25, "YN-", "NETFILTER_DROP")
        .add(IPPROTO_TCP, 80, "YYY")
        .changed(RouterIndex{2}, change)
        .add(IPPROTO_UDP, 514, "???", "lost")
        .sent(4)
        .add(IPPROTO_TCP, 3306, "Y.Y");
    return builder.report;
}

}  // namespace ksms
