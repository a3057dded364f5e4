// SPDX-License-Identifier: BSD-2-Clause
#include "reports.hpp"

namespace ksms {

ReportBuilder::ReportBuilder(const std::vector<std::string>& routers,
                             const std::vector<std::string>& entries) {
    report.source = *Address::parse("10.1.1.100");
    report.destination = *Address::parse("10.2.5.100");
    report.entries = entries;
    report.job = "7f3a";
    report.dscp = 33;
    report.timing = {2, 5, 8, 5.5, 20.5};
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
    report.router_count = static_cast<std::uint32_t>(routers.size());
}

ReportBuilder& ReportBuilder::add(std::uint8_t protocol, std::uint16_t port, std::string_view cells,
                                  const std::string& why, const std::string& reason) {
    ServiceReport service;
    service.service = {protocol, port};
    service.result = Verdict::yes;
    service.sent = 1;
    for (std::size_t i = 0; i < report.routers.size(); ++i) {
        auto& router = report.routers[i];
        ServiceAtRouter answer;
        answer.service = static_cast<std::uint32_t>(report.services.size());
        const char cell = cells.at(i);
        answer.on_path = cell != '.';
        answer.stopped_before = cell == '-';
        if (cell == 'Y') answer.result = Verdict::yes;
        if (cell == 'N') answer.result = Verdict::no;
        if (cell == 'Y' || cell == 'N') answer.ingress_packets = 1, answer.ingress_bytes = 54;
        if (cell == 'Y') answer.egress_packets = 1, answer.egress_bytes = 54;
        if (cell == '-') answer.reason = "stopped_before:" + service.stopped_at;
        if (cell == '?') answer.reason = reason;
        if (cell == '?' && service.result == Verdict::yes) service.result = Verdict::unknown;
        if (cell == 'N') {
            service.result = Verdict::no;
            service.stopped_at = router.name;
            answer.reason = reason;
            answer.place = "nft_do_chain";
            answer.hook = "FORWARD";
            service.place = "nft_do_chain";
            service.hook = "FORWARD";
        }
        router.services.push_back(std::move(answer));
    }
    if (service.result != Verdict::yes) service.reason = reason;
    service.why = why;
    if (service.result == Verdict::yes) ++report.yes;
    if (service.result == Verdict::no) ++report.no;
    if (service.result == Verdict::unknown) ++report.unknown;
    report.services.push_back(std::move(service));
    return *this;
}

Report example_report() {
    ReportBuilder builder({"hq-gw", "br-gw", "br-core"});
    builder.add(IPPROTO_TCP, 22, "YYY")
        .add(IPPROTO_TCP, 25, "YN-", "br-gw: firewall, FORWARD (NETFILTER_DROP)", "NETFILTER_DROP")
        .add(IPPROTO_TCP, 80, "YYY", "br-core: translated to 10.2.5.9:8080")
        .add(IPPROTO_UDP, 514, "???", "lost: sent 4 times, hq-gw saw none", "lost")
        .add(IPPROTO_TCP, 3306, "Y.Y");
    return builder.report;
}

}  // namespace ksms
