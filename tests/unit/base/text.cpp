// SPDX-License-Identifier: BSD-2-Clause
// Untrusted names as text and in JSON.
#include "base/text.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace ksms;
using nlohmann::json;

TEST_CASE("text: trim removes blanks at both ends only") {
    CHECK(trimmed(" \ta \tb\t ") == "a \tb");
    CHECK(trimmed("a\n\n", "\n") == "a");
    CHECK(trimmed(" \t").empty());
    CHECK(trimmed("").empty());
}

TEST_CASE("text: terminal control sequences are escaped byte by byte") {
    CHECK(printable("plain name, ü 北京 \xf0\x9f\x90\xa7") ==
          "plain name, ü 北京 \xf0\x9f\x90\xa7");
    CHECK(printable("a\nb\x1b[31m\x7f\t\r") == R"(a\x0ab\x1b[31m\x7f\x09\x0d)");
    CHECK(printable(std::string_view("a\0b", 3)) == R"(a\x00b)");
    // U+009B is CSI as one character; U+00A0 is a no-break space.
    CHECK(printable("\xc2\x9b"
                    "31m\xc2\xa0") == "\\xc2\\x9b31m\xc2\xa0");
    CHECK(printable("exe.\xe2\x80\xaegpj") == R"(exe.\xe2\x80\xaegpj)");
    CHECK(printable("\xd8\x9c\xe2\x81\xa6\xe2\x80\x8f\xe2\x80\xa8") ==
          R"(\xd8\x9c\xe2\x81\xa6\xe2\x80\x8f\xe2\x80\xa8)");
}

TEST_CASE("text: bytes that are not UTF-8 are escaped") {
    CHECK(printable("\x9b") == R"(\x9b)");
    CHECK(printable("a\xff\xfe") == R"(a\xff\xfe)");
    CHECK(printable("\xc2") == R"(\xc2)");
    CHECK(printable("\xc2z") == R"(\xc2z)");
    CHECK(printable("\xc0\xaf") == R"(\xc0\xaf)");          // '/' the long way
    CHECK(printable("\xe0\x80\xaf") == R"(\xe0\x80\xaf)");  // overlong, three bytes
    CHECK(printable("\xed\xa0\x80") == R"(\xed\xa0\x80)");  // a surrogate
    CHECK(printable("\xf4\x90\x80\x80") == R"(\xf4\x90\x80\x80)");
    CHECK(printable("\xe5\x8c") == R"(\xe5\x8c)");
    CHECK(valid_utf8("a\x1b\xff\xc2\x9b") == "a\x1b\\xff\xc2\x9b");
}

TEST_CASE("text: a JSON string keeps UTF-8 and escapes control and invalid bytes") {
    CHECK(json_string("plain") == R"("plain")");
    CHECK(json_string("a\"b\\c\nd") == R"("a\"b\\c\nd")");
    CHECK(json_string("\x1b\xc2\x9b\xe2\x80\xae\x7f") == R"("\u001b\u009b\u202e\u007f")");
    CHECK(json_string("\x9b") == R"("\\x9b")");
    for (const std::string name : {"ü 北京", "\x1b[2J", "\xc2\x9b", "\xe2\x80\xae", "q\"\\\n\t"})
        CHECK(json::parse(json_string(name)) == name);
}

TEST_CASE("text: a foreign JSON document is made printable without a change of its value") {
    const json document{{"name \xc2\x9b", {"\xe2\x80\xae", "\x7f", "\x1b", "ü"}}};
    for (const int indent : {-1, 2}) {
        const auto text = printable_json(document.dump(indent));
        CHECK(printable_lines(text, false) == text);
        CHECK(json::parse(text) == document);
    }
}

TEST_CASE("text: multi-line text keeps newlines, and colours only if colour is on") {
    const std::string text = "\x1b[32mYES\x1b[0m\n\n\x1b[2J\x1b[31m\x9b\n";
    CHECK(printable_lines(text, true) == "\x1b[32mYES\x1b[0m\n\n\\x1b[2J\x1b[31m\\x9b\n");
    CHECK(printable_lines(text, false) == "\\x1b[32mYES\\x1b[0m\n\n\\x1b[2J\\x1b[31m\\x9b\n");
    CHECK(printable_lines("", false).empty());
}
