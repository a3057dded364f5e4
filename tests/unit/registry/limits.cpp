// SPDX-License-Identifier: BSD-2-Clause
#include "registry/limits.hpp"

#include <catch2/catch.hpp>

using namespace ksms;

TEST_CASE("registry limits: which DSCPs may be given out") {
    RegistryLimits limits;
    CHECK(range_mask(limits) == 0xffff'ffff'0000'0000);
    CHECK(capacity(limits) == 32);
    limits.excluded = 1ull << 32 | 1ull << 63 | 1ull << 5;
    CHECK(range_mask(limits) == 0x7fff'fffe'0000'0000);
    CHECK(capacity(limits) == 30);
    limits.max_jobs = 8;
    CHECK(capacity(limits) == 8);
    CHECK(range_mask({0, 63, 0, 64, 1}) == ~0ull);
    CHECK(range_mask({40, 40, 0, 64, 1}) == 1ull << 40);
    CHECK(capacity({40, 40, 1ull << 40, 64, 1}) == 0);
    CHECK(range_mask({60, 200, 0, 64, 1}) == 0xf000'0000'0000'0000);
}
