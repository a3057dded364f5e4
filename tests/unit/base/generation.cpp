// SPDX-License-Identifier: BSD-2-Clause
#include "base/generation.hpp"

#include <catch2/catch.hpp>

using namespace ksms;

TEST_CASE("generation: a lease's state word holds the generation above the state") {
    const Generation generation(0x1'2345'6789);
    const auto state = generation.state(KSMS_LEASE_CHANGING);
    CHECK(state == 0x0123'4567'8904);
    CHECK(Generation::of_state(state) == generation);
    CHECK(generation.next() > generation);
    CHECK(generation.next().value() == 0x1'2345'678a);
}

TEST_CASE("generation: scans, taps and the journal store its low 32 bits") {
    CHECK(Generation(0x1'2345'6789).low() == 0x2345'6789);
}
