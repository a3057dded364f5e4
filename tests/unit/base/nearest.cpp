// SPDX-License-Identifier: BSD-2-Clause
#include "base/nearest.hpp"

#include <array>
#include <catch2/catch.hpp>

using namespace ksms;

TEST_CASE("nearest: the distance counts a swap of two adjacent letters as one edit") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("", "scan") == 4);
    CHECK(edit_distance("scan", "scan") == 0);
    CHECK(edit_distance("scna", "scan") == 1);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("prots", "ports") == 1);
}

TEST_CASE("nearest: similar words are found, others are not") {
    const std::array<std::string, 4> known{"scan", "registry", "tap", "doctor"};
    CHECK(nearest("scna", known) == "scan");
    CHECK(nearest("registy", known) == "registry");
    CHECK(nearest("tpa", known) == "tap");
    CHECK(nearest("docter", known) == "doctor");
    CHECK(nearest("banana", known).empty());
    CHECK(nearest("", known).empty());
    CHECK(nearest(std::string(65536, 's'), known).empty());
    CHECK(did_you_mean("scn", known) == "did you mean scan?");
    CHECK(did_you_mean("banana", known).empty());
}
