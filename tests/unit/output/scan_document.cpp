// SPDX-License-Identifier: BSD-2-Clause
#include "output/scan_view.hpp"

#include <catch2/catch.hpp>

#include "output/json.hpp"
#include "output/text.hpp"
#include "reports.hpp"

namespace {

using namespace ksms;

std::string document(const Report& report) {
    std::string text;
    write_scan_json(report, false, [&text](std::string_view piece) { text += piece; });
    return text;
}

}  // namespace

TEST_CASE("scan document: its text is that of the scan") {
    ReportBuilder many({"r1", "r2"}, {"h1", "h2"});
    for (std::uint16_t port = 1; port < 50; ++port)
        many.add(IPPROTO_TCP, port, port < 20 ? "YYY." : "N-YY", "NETFILTER_DROP");
    many.add(IPPROTO_UDP, 50, "????", "not_sent:deadline");
    for (const auto& report : {example_report(), many.report}) {
        const auto view = view_of_document(document(report));
        REQUIRE(view);
        for (const bool details : {false, true}) {
            const TextStyle style{.details = details};
            CHECK(scan_text(*view, style) == scan_text(view_of(report), style));
        }
    }
}

TEST_CASE("scan document: entries that are only names share one table") {
    auto old = document(example_report());
    const std::string names = R"("entries":["ts-hq"])";
    const auto at = old.find(names);
    REQUIRE(at != std::string::npos);
    old.replace(at, names.size(), R"("entries":["ts-hq","other"])");
    const auto view = view_of_document(old);
    REQUIRE(view);
    REQUIRE(view->tables.size() == 1);
    CHECK(view->tables[0].routers.size() == 3);
}

TEST_CASE("scan document: numbers are checked for range, services for duplicates") {
    const auto text = document(example_report());
    REQUIRE(view_of_document(text));
    const auto with = [&text](const std::string& what, const std::string& instead) {
        auto changed = text;
        REQUIRE(changed.find(what) != std::string::npos);
        for (auto at = changed.find(what); at != std::string::npos;
             at = changed.find(what, at + instead.size()))
            changed.replace(at, what.size(), instead);
        return view_of_document(changed).has_value();
    };
    for (const char* number : {"1e300", "-1", "0.5", "0", "65536", "\"22\""})
        CHECK_FALSE(with("\"port\":22", std::string("\"port\":") + number));
    CHECK_FALSE(with("\"hop\":1", "\"hop\":4294967296"));
    CHECK_FALSE(with("\"dscp\":", "\"dscp\":256,\"x\":"));
    CHECK_FALSE(with("\"port\":25", "\"port\":22"));
}

TEST_CASE("scan document: other documents are refused") {
    CHECK_FALSE(view_of_document(document(example_report()) + '\0'));
    for (const char* text :
         {"", "{", "[]", "{}", R"({"schema":"ksms.error/1"})", R"({"schema":"ksms.scan/1"})",
          R"({"schema":"ksms.scan/1","source":"x","destination":"y"})"}) {
        INFO(text);
        CHECK_FALSE(view_of_document(text).has_value());
    }
}
