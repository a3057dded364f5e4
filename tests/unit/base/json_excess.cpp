// SPDX-License-Identifier: BSD-2-Clause
#include "base/json_excess.hpp"

#include <catch2/catch.hpp>

using namespace ksms;
using What = JsonExcess::What;

namespace {

bool is(std::string_view text, const JsonLimits& limits, What what, std::size_t at) {
    const auto found = json_excess(text, limits);
    return found && found->what == what && found->at == at;
}

}  // namespace

TEST_CASE("json_excess: NUL bytes, too deep nesting and too many values are found") {
    CHECK_FALSE(json_excess(R"({"a":[1,{"b":"[[[,,,{{{\"[["}]})", {.depth = 3, .values = 5}));
    CHECK(is("[[[]]]", {.depth = 2}, What::depth, 2));
    CHECK_FALSE(json_excess("[[],[],[]]", {.depth = 2}));
    CHECK(is("[1,2,3]", {.depth = 1, .values = 3}, What::values, 4));
    CHECK(is(std::string_view("[\"a\0b\"]", 7), {.depth = 9}, What::nul, 3));
    CHECK(is(std::string_view("{}\0[", 4), {.depth = 9}, What::nul, 2));
}

TEST_CASE("json_excess: text that is not JSON is measured too") {
    CHECK_FALSE(json_excess("]]]]\"\\", {.depth = 0}));
    CHECK(is("]]]]{", {.depth = 0}, What::depth, 4));
    CHECK(is(R"("\\"[)", {.depth = 0}, What::depth, 4));
}
