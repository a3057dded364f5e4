// SPDX-License-Identifier: BSD-2-Clause
// A scan as text.
#include "output/text.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <sstream>

#include "output/layout.hpp"
#include "reports.hpp"

using namespace ksms;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::size_t widest(const std::string& text) {
    std::size_t width = 0;
    for (const auto& line : lines_of(text)) width = std::max(width, width_of(line));
    return width;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// Number of occurrences of a part in a text.
std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("text: the matrix shown in the documentation") {
    CHECK(scan_text(view_of(example_report()), {}) ==
          R"(10.1.1.100 (ts-hq) -> 10.2.5.100   path   dscp 33 (tos 0x84)   job 7f3a   21 ms

SERVICE            hq-gw  br-gw  br-core  END  WHY
22/tcp   ssh       YES    YES    YES      YES
25/tcp   smtp      YES    NO     -        NO   br-gw: firewall, FORWARD (NETFILTER_DROP)
80/tcp   http      YES    YES    YES      YES  br-core: translated to 10.2.5.9:8080
514/udp  syslog    ?      ?      ?        ?    lost: sent 4 times, hq-gw saw none
3306/tcp mysql     YES    .      YES      YES

3 pass, 1 stops (br-gw 1), 1 unknown     - stopped before   . not on its path
hint: ksmsctl explain -s 10.1.1.100 -d 10.2.5.100 -P 514/udp
)");
}

TEST_CASE("text: adjacent services with equal rows are joined") {
    ReportBuilder builder({"r1", "r2"});
    for (std::uint16_t port = 8000; port < 8100; ++port) builder.add(IPPROTO_TCP, port, "YY");
    builder.add(IPPROTO_TCP, 8100, "YN", "IP_INNOROUTES");
    builder.add(IPPROTO_TCP, 8101, "YN", "NETFILTER_DROP");
    builder.add(IPPROTO_UDP, 8102, "YY");
    builder.add(IPPROTO_UDP, 8104, "YY");
    builder.add(IPPROTO_UDP, 8103, "YY");
    const auto text = scan_text(view_of(builder.report), {});
    CHECK(contains(text, "\n8000-8099/tcp "));
    CHECK(contains(text, "\n8100/tcp "));
    CHECK(contains(text, "\n8101/tcp "));
    CHECK(contains(text, "\n8102/udp "));
    CHECK(contains(text, "\n8104/udp "));
    CHECK(contains(text, "\n8103/udp "));
    CHECK(contains(text, "103 pass, 2 stop (r2 2)"));
}

TEST_CASE("text: the legend lists only symbols that are used") {
    ReportBuilder plain({"r1"});
    plain.add(IPPROTO_TCP, 22, "Y");
    const auto text = scan_text(view_of(plain.report), {});
    CHECK_FALSE(contains(text, "stopped before"));
    CHECK_FALSE(contains(text, "not on its path"));
    CHECK_FALSE(contains(text, "WHY"));
    CHECK_FALSE(contains(text, "hint"));
    CHECK(contains(text, "\n1 passes\n"));
}

TEST_CASE("text: colour is optional and does not change widths") {
    CHECK_FALSE(contains(scan_text(view_of(example_report()), {}), "\x1b"));
    const auto colored = scan_text(view_of(example_report()), {.color = true});
    CHECK(contains(colored, "\x1b[32mYES\x1b[0m    \x1b[31mNO\x1b[0m     -        "));
    CHECK(contains(colored, "\x1b[33m?\x1b[0m"));
    std::string bare;
    for (std::size_t i = 0; i < colored.size(); ++i) {
        if (colored[i] == '\x1b') i = colored.find('m', i) + 1;
        while (i < colored.size() && colored[i] == '\x1b') i = colored.find('m', i) + 1;
        if (i < colored.size()) bare += colored[i];
    }
    CHECK(bare == scan_text(view_of(example_report()), {}));
}

TEST_CASE("text: a wide matrix is split by routers, never truncated") {
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i) names.push_back(fmt::format("building-{}-router", i));
    ReportBuilder builder(names);
    builder.add(IPPROTO_TCP, 22, std::string(40, 'Y'));
    builder.add(IPPROTO_TCP, 25, "YN" + std::string(38, '-'), "NETFILTER_DROP");
    for (const std::size_t width : {60U, 80U, 100U}) {
        const auto text = scan_text(view_of(builder.report), {.width = width});
        INFO(text);
        CHECK(widest(text) <= width);
        for (const auto& name : names)
            CHECK(contains(text, name + (name.back() == 'r' ? "" : " ")));
        CHECK(count(text, "SERVICE") > 5);
        CHECK(count(text, "END") == 1);
        CHECK(count(text, "YES") == 40 + 1 + 1);
    }
}

TEST_CASE("text: long words and reasons are wrapped, not truncated") {
    ReportBuilder builder({std::string(70, 'n'), "r2"}, {std::string(60, 'e'), "other"});
    builder.add(IPPROTO_TCP, 22, "YNYY", "IP_INNOROUTES",
                std::string(120, 'w') + " and more of it");
    const auto text = scan_text(view_of(builder.report), {});
    INFO(text);
    CHECK(widest(text) <= 100);
    CHECK(count(text, "n") >= 70);
    CHECK(count(text, "w") >= 120);
    CHECK(contains(text, "and more of it"));
}

TEST_CASE("text: each of several entries has a table with its own END and WHY") {
    ReportBuilder builder({"r1", "r2"}, {"h1", "h2"});
    builder.add(IPPROTO_TCP, 22, "YYYN", "NETFILTER_DROP").add(IPPROTO_TCP, 80, "YYYY");
    CHECK(scan_text(view_of(builder.report), {}) ==
          R"(10.1.1.100 (h1, h2) -> 10.2.5.100   path   dscp 33 (tos 0x84)   job 7f3a   21 ms

from h1
SERVICE          r1   r2   END
22/tcp ssh       YES  YES  YES
80/tcp http      YES  YES  YES

from h2
SERVICE          r1   r2   END  WHY
22/tcp ssh       YES  NO   NO   r2: firewall, FORWARD (NETFILTER_DROP)
80/tcp http      YES  YES  YES

1 passes, 1 mixed (the entries differ)
hint: one entry alone: ksmsctl explain --source-netns h2 -s 10.1.1.100 -d 10.2.5.100 -P 22/tcp
)");
}

TEST_CASE("text: entries that look alike share a table") {
    std::vector<std::string> entries;
    for (int i = 1; i <= 13; ++i) entries.push_back(fmt::format("h{}", i));
    ReportBuilder builder({"r1"}, entries);
    builder.add(IPPROTO_TCP, 22, "YYNYYYYYYYYYY", "NETFILTER_DROP");
    const auto text = scan_text(view_of(builder.report), {});
    INFO(text);
    CHECK(contains(text, "10.1.1.100 (13 entries) -> 10.2.5.100"));
    CHECK(contains(text, "from h1   11 more entries alike: h2, h4, h5, h6,"));
    CHECK(contains(text, "\nfrom h3\n"));
    CHECK(count(text, "from ") == 2);
    CHECK(count(text, "SERVICE") == 2);
    CHECK(widest(text) <= 100);
    const auto details = scan_text(view_of(builder.report), {.details = true});
    for (const auto& entry : entries) CHECK(contains(details, "r1      " + entry + " "));
}

TEST_CASE("text: a stop at different routers counts for none of them") {
    ReportBuilder builder({"r1", "r2"}, {"h1", "h2"});
    builder.add(IPPROTO_TCP, 22, "N-YN", "NETFILTER_DROP").add(IPPROTO_TCP, 23, "YNYN", "X");
    const auto text = scan_text(view_of(builder.report), {});
    INFO(text);
    CHECK(contains(text, "0 pass, 2 stop (r2 1)"));
    CHECK_FALSE(contains(text, "hint"));
}

TEST_CASE("text: the hint for an UNKNOWN of several entries names one of them") {
    ReportBuilder builder({"r1"}, {"h1", "h2"});
    builder.add(IPPROTO_UDP, 53, "??", "lost");
    CHECK(contains(scan_text(view_of(builder.report), {}),
                   "hint: ksmsctl explain --source-netns h1 -s 10.1.1.100 "));
}

TEST_CASE("text: the hint for UNKNOWN follows its reason") {
    const auto hint_for = [](const std::string& reason) {
        ReportBuilder builder({"r1"});
        builder.add(IPPROTO_TCP, 22, "?", reason);
        return scan_text(view_of(builder.report), {});
    };
    CHECK(contains(hint_for("lost"), "ksmsctl explain"));
    CHECK(contains(hint_for("not_sent:ENETUNREACH"), "nothing left the source"));
    CHECK(contains(hint_for("not_sent:next-hop-missing"), "next hop"));
    CHECK(contains(hint_for("not_sent:taps-gone"), "changed on the way"));
    CHECK(contains(hint_for("not_sent:another way"), "routes changed"));
    CHECK(contains(hint_for("stopped_before"), "doctor"));
    ReportBuilder builder({"r1"});
    builder.add(IPPROTO_TCP, 22, "?", "lost");
    CHECK_FALSE(contains(scan_text(view_of(builder.report), {.hints = false}), "hint"));
    builder.report.state = ScanState::interrupted;
    CHECK(
        contains(scan_text(view_of(builder.report), {}), "hint: it was interrupted; run it again"));
    // A scan is partial because of its deadline, or because something was removed.
    for (const auto& [reason, hint] : {std::pair("not_sent:deadline", "--deadline"),
                                       std::pair("not_sent:taps-gone", "changed on the way")}) {
        ReportBuilder partial({"r1"});
        partial.add(IPPROTO_TCP, 22, "?", reason);
        partial.report.state = ScanState::partial;
        CHECK(contains(scan_text(view_of(partial.report), {}), hint));
    }
}

TEST_CASE("text: a router that drops services is named even if it was left out") {
    ReportBuilder builder({"r2"});
    builder.report.router_names = {"r2", "r1"};
    builder.add(IPPROTO_TCP, 22, "-", "NETFILTER_DROP");
    auto& service = builder.report.services[0];
    service.result = Verdict::no;
    service.cause.why = Why::dropped;
    service.cause.router = builder.report.routers[0].services[0].stopped_by = RouterIndex{1};
    builder.report.no = 1;
    CHECK(contains(scan_text(view_of(builder.report), {}), "1 stops (r1 1)"));
}

TEST_CASE("text: details name interfaces, the kernel function and the stages") {
    const auto text = scan_text(view_of(example_report()), {.details = true});
    CHECK(contains(text, "(NETFILTER_DROP), in"));
    CHECK(contains(text, "nft_do_chain"));
    CHECK(contains(text, "3    br-core  ts-hq  eth1  wg0"));
    CHECK(contains(text, "plan 2.0 ms, attach 5.0 ms, probe 8.0 ms, settle 5.5 ms"));
    CHECK(widest(text) <= 100);
}

TEST_CASE("text: IPv6 traffic class, interrupted scan, control characters in names") {
    ReportBuilder builder({"r\x1b[2J"});
    builder.add(IPPROTO_TCP, 22, "N", "X", "\x07");
    builder.report.source = *Address::parse("fd77:1::1");
    builder.report.destination = *Address::parse("fd77:4::2");
    builder.report.state = ScanState::interrupted;
    const auto text = scan_text(view_of(builder.report), {});
    CHECK(contains(text, "traffic class 0x84"));
    CHECK_FALSE(contains(text, "tos"));
    CHECK(contains(text, "interrupted"));
    CHECK_FALSE(contains(text, "\x1b"));
    CHECK_FALSE(contains(text, "\x07"));
}

TEST_CASE("text: 65,535 services in one row or in 65,535") {
    ReportBuilder same({"r1", "r2", "r3"}), different({"r1", "r2", "r3"});
    for (std::uint32_t port = 1; port <= 65535; ++port) {
        same.add(IPPROTO_TCP, static_cast<std::uint16_t>(port), "YYY");
        different.add(IPPROTO_TCP, static_cast<std::uint16_t>(port), port % 2 == 0 ? "YYY" : "YN-",
                      "NETFILTER_DROP");
    }
    const auto before = std::chrono::steady_clock::now();
    const auto one = scan_text(view_of(same.report), {});
    const auto between = std::chrono::steady_clock::now();
    CHECK(contains(one, "\n1-65535/tcp  YES  YES  YES  YES\n"));
    CHECK(lines_of(one).size() == 6);
    CHECK(lines_of(scan_text(view_of(different.report), {})).size() == 65535 + 5);
    const auto after = std::chrono::steady_clock::now();
    // Milliseconds; the limit only separates a slow machine from a quadratic algorithm.
    CHECK(between - before < std::chrono::seconds(2));
    CHECK(after - between < std::chrono::seconds(5));
}

TEST_CASE("layout: a table that is too wide is folded, never truncated") {
    Table list({"ROUTER", "TAPS ON", ""});
    std::string interfaces;
    for (int i = 0; i < 60; ++i) interfaces += fmt::format("eth{} ", i);
    list.add({"r1", interfaces, "not judged"});
    const auto folded = list.text(100);
    INFO(folded);
    CHECK(widest(folded) <= 100);
    CHECK(contains(folded, "ROUTER  TAPS ON\nr1      eth0 eth1 "));
    for (int i = 0; i < 60; ++i) CHECK(contains(folded, fmt::format("eth{}", i)));
    CHECK(contains(folded, "not judged\n        eth"));

    Table long_names({"DSCP", "JOB", "USER", "PID"});
    long_names.add({"32", std::string(63, 'j'), std::string(63, 'u'), "1"});
    long_names.add({"33", "short", "me", "77"});
    CHECK(long_names.text(100) == "DSCP  JOB\n  USER" + std::string(61, ' ') + "PID\n32    " +
                                      std::string(63, 'j') + "\n  " + std::string(63, 'u') +
                                      "  1\n33    short\n  me" + std::string(63, ' ') + "77\n");
    Table broken({"ROUTER", "IN"});
    broken.add({std::string(255, 'r'), "eth0"});
    CHECK(widest(broken.text(100)) <= 100);
    CHECK(count(broken.text(100), "r") == 255);
}

TEST_CASE("text: details of routers with long names are folded") {
    ReportBuilder builder({std::string(60, 'r')}, {std::string(60, 'e')});
    builder.add(IPPROTO_TCP, 22, "Y");
    const auto text = scan_text(view_of(builder.report), {.details = true});
    INFO(text);
    CHECK(widest(text) <= 100);
    CHECK(contains(text, "HOP  ROUTER\n  FROM"));
}

TEST_CASE("layout: width is measured in columns, not bytes") {
    CHECK(width_of("über") == 4);
    CHECK(padded("ü", 3) == "ü  ");
    CHECK(wrapped("one two three", 7) == std::vector<std::string>{"one two", "three"});
    CHECK(wrapped("abcdefgh", 3) == std::vector<std::string>{"abc", "def", "gh"});
    CHECK(wrapped("", 3).empty());
    CHECK(
        service_ranges({{IPPROTO_TCP, 1}, {IPPROTO_TCP, 2}, {IPPROTO_UDP, 3}, {IPPROTO_UDP, 5}}) ==
        std::vector<std::string>{"1-2/tcp", "3/udp", "5/udp"});
}
