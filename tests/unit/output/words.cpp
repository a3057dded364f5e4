// SPDX-License-Identifier: BSD-2-Clause
// The words of verdicts, against the documentation and the schema.
#include "output/words.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "reports.hpp"

using namespace ksms;

namespace {

std::string file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(KSMS_SOURCE_DIR "/" + path).rdbuf();
    REQUIRE(text.str().size() > 0);
    return text.str();
}

std::set<std::string> all_notes() {
    std::set<std::string> notes;
    for (std::uint8_t number = 0; number < kNotes; ++number)
        notes.emplace(name_of(static_cast<Note>(number)));
    return notes;
}

}  // namespace

TEST_CASE("words: the schema lists exactly the notes that exist") {
    REQUIRE(all_notes().size() == kNotes);
    const auto schema = nlohmann::json::parse(file("tests/schema/ksms.scan-1.schema.json"));
    const auto& listed = schema["$defs"]["notes"]["items"]["anyOf"][0]["enum"];
    CHECK(std::set<std::string>(listed.begin(), listed.end()) == all_notes());
}

TEST_CASE("words: the documentation lists every note and every reason") {
    const auto text = file("docs/reading.md");
    for (const auto& note : all_notes()) {
        INFO(note);
        CHECK(text.find("`" + note + "`") != std::string::npos);
    }
    for (int number = 0; number <= static_cast<int>(Why::no_way); ++number) {
        std::string reason(reason_of(static_cast<Why>(number)));
        if (reason.starts_with("not_sent:")) reason = reason.substr(9);
        INFO(reason);
        if (!reason.empty()) CHECK(text.find("`" + reason) != std::string::npos);
    }
}

TEST_CASE("words: a route that discards is told as IPsec without a key") {
    ReportBuilder builder({"r1"});
    builder.add(IPPROTO_TCP, 22, "N");
    auto& dropped = builder.report.services[0].cause.dropped;
    dropped.place = builder.report.words.add("dst_discard_out");
    dropped.kind = DropKind::refused_by_route;
    CHECK(why_text(builder.report, builder.report.services[0]) ==
          "r1: no key for its IPsec policy, or its route went away, in dst_discard_out");
}
