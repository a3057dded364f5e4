// SPDX-License-Identifier: BSD-2-Clause
#include "base/environment.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace ksms;

TEST_CASE("environment: an empty variable counts as unset") {
    constexpr const char* names[] = {"KSMS_PIN_ROOT", "KSMS_JOB_DSCP", "KSMS_ATTACH", "KSMS_DROPS",
                                     "SUDO_UID"};
    for (const char* value : {static_cast<const char*>(nullptr), ""}) {
        for (const char* name : names)
            if (value == nullptr)
                ::unsetenv(name);
            else
                ::setenv(name, value, 1);
        const auto found = Environment::read();
        CHECK_FALSE(found.pin_root);
        CHECK_FALSE(found.job_dscp);
        CHECK_FALSE(found.attach);
        CHECK(found.drops);
        CHECK_FALSE(found.sudo_uid);
    }
    for (const char* name : names) ::setenv(name, "45", 1);
    auto found = Environment::read();
    CHECK(found.pin_root == "45");
    CHECK(found.job_dscp == "45");
    CHECK(found.attach == "45");
    CHECK(found.drops);
    // A caller who is not root cannot become another user.
    CHECK(found.sudo_uid.has_value() == (::getuid() == 0));
    ::setenv("KSMS_DROPS", "off", 1);
    ::setenv("SUDO_UID", "45x", 1);
    found = Environment::read();
    CHECK_FALSE(found.drops);
    CHECK_FALSE(found.sudo_uid);
    for (const char* name : names) ::unsetenv(name);
}
