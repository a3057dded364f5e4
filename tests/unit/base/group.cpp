// SPDX-License-Identifier: BSD-2-Clause
#include "base/group.hpp"
#include "sanitized.hpp"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cerrno>

using namespace ksms;

TEST_CASE("group: an existing group, a missing group, and a failed lookup") {
    SKIP_IF_SANITIZED();
    CHECK(find_group("daemon").value());
    CHECK_FALSE(find_group("no-such-group-here").value());
    rlimit before{}, none{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = {0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto unknown = find_group("daemon");
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().err == EMFILE);
    CHECK(find_group("daemon").value());
}
