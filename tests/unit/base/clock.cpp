// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.hpp"

#include <catch2/catch.hpp>
#include <ctime>

using namespace ksms;
using namespace std::chrono_literals;

TEST_CASE("clock: kernel timestamps convert to time points and back") {
    CHECK(from_ns(1'500'000'000) == 1500ms);
    CHECK(in_ns(1500ms) == 1'500'000'000);
    CHECK(in_ns(instant(7)) == 7);
    CHECK(instant(7) + 3ns == instant(10));
}

TEST_CASE("clock: a number out of range becomes the maximum, not a negative time") {
    CHECK(from_ns(~std::uint64_t{0}) == nanoseconds::max());
    CHECK(from_ns(std::uint64_t{1} << 63) == nanoseconds::max());
    CHECK(instant(~std::uint64_t{0}) == kNever);
    CHECK(WallTime(WallTime::duration(~std::uint64_t{0})) > realtime());
}

TEST_CASE("clock: the poll timeout is rounded up, never 0 and never infinite") {
    CHECK(poll_time(0ns) == 1);
    CHECK(poll_time(1ns) == 1);
    CHECK(poll_time(1ms) == 2);
    CHECK(poll_time(2s) == 2001);
    CHECK(poll_time(-5s) == 1);
}

TEST_CASE("clock: time points are those of CLOCK_MONOTONIC") {
    const auto before = monotonic();
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto between = Instant(std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec));
    CHECK(before <= between);
    CHECK(between <= monotonic());
}
