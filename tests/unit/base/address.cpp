// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace ksms;

TEST_CASE("address: text with an embedded NUL is not an address") {
    CHECK(Address::parse("10.0.0.1"));
    CHECK(Address::parse("fd00::1"));
    using namespace std::string_literals;
    CHECK_FALSE(Address::parse("10.0.0.1\0x"s));
    CHECK_FALSE(Address::parse("fd00::1\0"s));
}
