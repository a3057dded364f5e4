// SPDX-License-Identifier: BSD-2-Clause
// With arbitrary names no printer writes a byte that controls a terminal, and every document can be
// parsed.
#include <catch2/catch.hpp>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "output/explain.hpp"
#include "output/findings.hpp"
#include "output/health.hpp"
#include "output/json.hpp"
#include "output/leases.hpp"
#include "output/taps.hpp"
#include "output/text.hpp"
#include "reports.hpp"
#include "written.hpp"

using namespace ksms;
using nlohmann::json;

namespace {

class Names {
public:
    explicit Names(unsigned seed) : random_(seed) {}
    /// Random bytes, mixed with interesting sequences.
    std::string next() {
        static const std::string parts[] = {"\x1b[2J",      "\xc2\x9b", "\x9b", "\xe2\x80\xae",
                                            "\xe2\x81\xa9", "\n",       "\x7f", "\"\\",
                                            "\xd8\x9c",     "\xed\xa0", "ü",    "eth0"};
        std::string name;
        for (auto left = 1 + random_() % 12; left > 0; --left) {
            if (random_() % 3 == 0)
                name += parts[random_() % std::size(parts)];
            else
                name += static_cast<char>(1 + random_() % 255);
        }
        return name;
    }
    template <std::size_t N>
    void fill(char (&field)[N]) {
        const auto name = next();
        std::memset(field, 0, N);
        std::memcpy(field, name.data(), std::min(name.size(), N));  // possibly without a NUL
    }

private:
    std::mt19937 random_;
};

/// No control characters but newlines, and valid UTF-8 according to another decoder.
bool steers_nobody(const std::string& text) {
    static const std::string steering[] = {
        "\x7f",         "\xd8\x9c",     "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad",
        "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9"};
    for (const auto& each : steering)
        if (text.find(each) != std::string::npos) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 && text[i] != '\n') return false;
        const bool c1 =
            byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (c1) return false;
    }
    try {
        [[maybe_unused]] const auto strict = json(text).dump();
    } catch (const json::exception&) {
        return false;
    }
    return true;
}

Report report_of(Names& names) {
    ReportBuilder builder({names.next(), names.next()}, {names.next()});
    builder.add(IPPROTO_TCP, 22, "YN", "NETFILTER_DROP", names.next());
    builder.add(IPPROTO_UDP, 53, "??", "not_sent:taps-gone", names.next());
    builder.add(IPPROTO_UDP, 54, "??", "send_failed", names.next());
    auto report = builder.report;
    report.job = names.next();
    report.warnings = {names.next()};
    for (auto& router : report.routers) {
        router.iface = names.next();
        router.ingress_iface = names.next();
    }
    report.router_names = {names.next(), names.next()};
    report.texts.push_back(names.next());
    const auto host = static_cast<TextIndex>(report.texts.size() - 1);
    for (auto& service : report.services)
        service.arrival = {Arrival::By::host, false, Delivery::refused, {}, {}, host};
    return report;
}

Explanation explanation_of(Names& names, const Report& report) {
    FirewallRule rule;
    rule.family = "ip";
    rule.table = names.next();
    rule.chain = names.next();
    rule.verdict = "drop";
    rule.text = names.next();
    rule.hook = "FORWARD";
    rule.jumps = {rule};
    HopReport hop;
    hop.name = names.next();
    hop.entry = names.next();
    hop.answer.result = Verdict::no;
    hop.iface = names.next();
    hop.ingress_iface = names.next();
    hop.route = RouteChoice{};
    hop.route->selector = names.next();
    hop.route->device = names.next();
    hop.route->table = names.next();
    HookReport hook;
    hook.hook = "ingress";
    hook.device = names.next();
    hook.chains = {rule};
    hop.hooks = {hook};
    hop.rule = rule;
    hop.candidates = {rule, rule};
    hop.rule_unknown = names.next();
    Explanation result;
    result.source = report.source;
    result.destination = report.destination;
    ServiceExplanation service;
    service.scan = report;
    service.scan.job = names.next();
    service.scan.entries = {names.next()};
    service.hops = {hop};
    result.services = {service};
    result.warnings = {names.next()};
    return result;
}

}  // namespace

TEST_CASE("odd names: every text is printable, every document is JSON") {
    Names names(20261128);
    for (int round = 0; round < 500; ++round) {
        const auto report = report_of(names);
        const auto explanation = explanation_of(names, report);
        std::vector<ksms_lease> leases(1);
        names.fill(leases[0].job);
        names.fill(leases[0].user);
        std::vector<TapRow> taps(1);
        names.fill(taps[0].tap.interface);
        names.fill(taps[0].tap.router_name);
        const std::vector<Finding> findings{{names.next(), names.next(), names.next(), false}};
        const HealthReport health{
            {{names.next(), names.next(), Health::missing, names.next(), names.next()}}};
        const std::vector<Removed> removed{{7, names.next(), names.next()}};
        const Error error{Code::failed, 0, names.next(), names.next()};
        const ProgramStats stats(KSMS_STATS, 1);
        const Moment now{instant(1), WallTime(WallTime::duration(2))};
        for (const auto& text :
             {scan_text(view_of(report), {.details = true}), explain_text(explanation, 100),
              leases_text(leases, now, 100), taps_text(taps, 100),
              tap_counters_text(taps, stats, 100), findings_text(findings, true),
              health_text(health, false, 100), removed_text(removed)}) {
            INFO(json(text).dump(-1, ' ', true, json::error_handler_t::replace));
            REQUIRE(steers_nobody(text));
        }
        for (const bool pretty : {false, true}) {
            for (const auto& text : {
                     written([&](const Sink& to) { write_scan_json(report, pretty, to); }),
                     written([&](const Sink& to) { write_explain_json(explanation, pretty, to); }),
                     written([&](const Sink& to) { write_leases_json(leases, now, pretty, to); }),
                     written([&](const Sink& to) { write_taps_json(taps, stats, pretty, to); }),
                     written(
                         [&](const Sink& to) { write_findings_json(findings, true, pretty, to); }),
                     written([&](const Sink& to) { write_health_json(health, pretty, to); }),
                     written([&](const Sink& to) { write_removed_json(removed, pretty, to); }),
                     error_json(error, pretty),
                 }) {
                INFO(json(text).dump(-1, ' ', true, json::error_handler_t::replace));
                REQUIRE(steers_nobody(text));
                REQUIRE(json::parse(text, nullptr, false).is_object());
            }
        }
        const auto key = names.next();
        const auto keyed = written([&](const Sink& to) {
            JsonWriter writer(to, false);
            writer.begin_object().key(key).value(1).end_object();
        });
        REQUIRE(steers_nobody(keyed));
        REQUIRE(json::parse(keyed, nullptr, false).size() == 1);
    }
}
