// SPDX-License-Identifier: BSD-2-Clause
#include "cli/console.hpp"

#include <catch2/catch.hpp>

using namespace ksms;

TEST_CASE("console: the text width for a terminal") {
    CHECK(text_width(nullptr, 160) == 160);
    CHECK(text_width(nullptr, 40) == 60);
    CHECK(text_width(nullptr, 0) == 100);  // neither terminal nor COLUMNS
    CHECK(text_width("132", 80) == 132);
    CHECK(text_width("132", 0) == 132);
    CHECK(text_width("1", 0) == 60);
    CHECK(text_width("1000000000", 80) == 1000);
    for (const char* none : {"", "0", "wide", "80x", "-80", "99999999999999999999999"}) {
        INFO(none);
        CHECK(text_width(none, 90) == 90);
        CHECK(text_width(none, 0) == 100);
    }
}
