// SPDX-License-Identifier: BSD-2-Clause
#include <catch2/catch.hpp>

#include "registry/registry.hpp"

using namespace ksms;

TEST_CASE("job names: only characters that are safe in a line and a key") {
    for (const auto* good : {"a", "scan-1", "web@prod:80", "A_b.c+d"}) CHECK(is_job_name(good));
    for (const auto* bad : {"", "a b", "../x", "a/b", "a\nb", "ä", "a\"b", "%s"})
        CHECK_FALSE(is_job_name(bad));
    CHECK(is_job_name(std::string(63, 'x')));
    CHECK_FALSE(is_job_name(std::string(64, 'x')));
    CHECK(is_job_name("ksmsd:" + std::string(63, 'x')));
    CHECK_FALSE(is_job_name("ksmsd:" + std::string(64, 'x')));
    CHECK_FALSE(is_job_name("ksmsd:"));
    CHECK_FALSE(is_job_name("other:" + std::string(58, 'x')));
    CHECK(is_job_name(make_job_name()));
}
