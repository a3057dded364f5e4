// SPDX-License-Identifier: BSD-2-Clause
#include "output/read_scan.hpp"

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

TEST_CASE("a document that was read is written as it was, and looks the same") {
    for (const auto& report : {example_report()}) {
        const auto text = document(report);
        const auto read = read_scan_json(text);
        REQUIRE(read);
        CHECK(document(*read) == text);
        TextStyle style;
        style.width = 100;
        CHECK(scan_text(*read, style) == scan_text(report, style));
    }
}

TEST_CASE("numbers of a document are whole and fit, and a service is in it once") {
    const auto text = document(example_report());
    REQUIRE(read_scan_json(text));
    const auto with = [&text](const std::string& what, const std::string& instead) {
        auto changed = text;
        REQUIRE(changed.find(what) != std::string::npos);
        for (auto at = changed.find(what); at != std::string::npos;
             at = changed.find(what, at + instead.size()))
            changed.replace(at, what.size(), instead);
        return read_scan_json(changed).has_value();
    };
    for (const char* number : {"1e300", "-1", "0.5", "0", "65536", "\"22\""})
        CHECK_FALSE(with("\"port\":22", std::string("\"port\":") + number));
    CHECK_FALSE(with("\"packets\":1", "\"packets\":4294967296"));
    CHECK_FALSE(with("\"dscp\":", "\"dscp\":256,\"x\":"));
    CHECK_FALSE(with("\"port\":25", "\"port\":22"));
}

TEST_CASE("what is no document of a scan is refused") {
    CHECK_FALSE(read_scan_json(document(example_report()) + '\0'));
    for (const char* text :
         {"", "{", "[]", "{}", R"({"schema":"ksms.error/1"})", R"({"schema":"ksms.scan/1"})",
          R"({"schema":"ksms.scan/1","source":"x","destination":"y"})"}) {
        INFO(text);
        CHECK_FALSE(read_scan_json(text).has_value());
    }
}
