// SPDX-License-Identifier: BSD-2-Clause
// The tests set the time.
#include "queue/scheduler.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace ksms;
using namespace std::chrono_literals;

namespace {

using Time = Scheduler::Time;

/// Starts the job of next() with this DSCP.
std::string start(Scheduler& scheduler, int dscp, Time now = 0s) {
    const auto id = scheduler.next(now);
    if (!id) return "";
    REQUIRE(scheduler.leased(*id, dscp));
    return *id;
}

}  // namespace

TEST_CASE("scheduler: oldest first, up to the limit, one DSCP request at a time") {
    Scheduler scheduler({.max_parallel_fast_jobs = 2});
    CHECK(scheduler.add({"b", 2, JobType::fast, 0, {}}));
    CHECK(scheduler.add({"a", 1, JobType::fast, 0, {}}));
    CHECK(scheduler.add({"c", 3, JobType::fast, 0, {}}));
    CHECK_FALSE(scheduler.add({"c", 4, JobType::fast, 0, {}}));
    CHECK(scheduler.next(0s) == "a");
    CHECK_FALSE(scheduler.next(0s));
    REQUIRE(scheduler.leased("a", 32));
    CHECK(scheduler.next(0s) == "b");
    REQUIRE(scheduler.leased("b", 33));
    CHECK_FALSE(scheduler.next(0s));
    scheduler.finished("a", 0s);
    CHECK(scheduler.next(0s) == "c");
}

TEST_CASE("scheduler: fast and detailed jobs do not wait for each other") {
    Scheduler scheduler({.max_parallel_fast_jobs = 1});
    scheduler.add({"d1", 1, JobType::detailed, 0, {}});
    scheduler.add({"d2", 2, JobType::detailed, 0, {}});
    scheduler.add({"f1", 3, JobType::fast, 0, {}});
    CHECK(start(scheduler, 32) == "d1");
    CHECK(start(scheduler, 33) == "f1");
    CHECK_FALSE(scheduler.next(0s));
    scheduler.finished("d1", 0s);
    CHECK(start(scheduler, 32) == "d2");
}

TEST_CASE("scheduler: one job at a time without parallel execution or registry") {
    SchedulerLimits limits;
    SECTION("parallel") {
        limits.parallel = false;
    }
    SECTION("registry") {
        limits.registry_enabled = false;
    }
    Scheduler scheduler(limits);
    scheduler.add({"f", 1, JobType::fast, 0, {}});
    scheduler.add({"d", 2, JobType::detailed, 0, {}});
    CHECK(start(scheduler, 32) == "f");
    CHECK_FALSE(scheduler.next(0s));
    CHECK(scheduler.mode().one_in_all);
    scheduler.finished("f", 0s);
    CHECK(start(scheduler, 32) == "d");
}

TEST_CASE("scheduler: a job without a DSCP goes first and starts when one is released") {
    Scheduler scheduler({});
    scheduler.add({"a", 1, JobType::fast, 0, {}});
    scheduler.add({"b", 2, JobType::fast, 0, {}});
    REQUIRE(scheduler.next(0s) == "a");
    CHECK(scheduler.no_lease("a", 0s) == Returned::waiting);
    CHECK_FALSE(scheduler.next(0s));
    CHECK(scheduler.mode().why == SchedulerMode::Why::no_lease);
    CHECK(scheduler.next_deadline() == Time(1s));
    scheduler.lease_freed();
    CHECK(scheduler.next(0s) == "a");

    // A DSCP was released between request and reply.
    scheduler.lease_freed();
    scheduler.no_lease("a", 0s);
    CHECK(scheduler.next(0s) == "a");

    // The notification was lost.
    scheduler.no_lease("a", 10s);
    REQUIRE(scheduler.next_deadline() == Time(11s));
    CHECK_FALSE(scheduler.next(10s));
    CHECK(scheduler.next(11s) == "a");
}

TEST_CASE("scheduler: a job that waits for a fixed DSCP does not block others") {
    Scheduler scheduler({});
    scheduler.add({"own", 1, JobType::fast, 0, 40});
    scheduler.add({"own too", 2, JobType::fast, 0, 40});
    scheduler.add({"any", 3, JobType::fast, 0, {}});
    REQUIRE(scheduler.next(0s) == "own");
    scheduler.no_lease("own", 0s, true);
    CHECK(start(scheduler, 32) == "any");
    CHECK_FALSE(scheduler.next(0s));
    REQUIRE(scheduler.next_deadline());
    CHECK(scheduler.next(*scheduler.next_deadline()) == "own");
    scheduler.no_lease("own", 6s, true);
    scheduler.lease_freed();
    CHECK(start(scheduler, 40, 6s) == "own");
    CHECK_FALSE(scheduler.next(6s));
    scheduler.finished("own", 6s);
    CHECK(start(scheduler, 40, 6s) == "own too");
}

TEST_CASE("scheduler: a cancelled job is not started") {
    Scheduler scheduler({});
    scheduler.add({"a", 1, JobType::fast, 0, {}});
    scheduler.add({"b", 2, JobType::fast, 0, {}});
    CHECK(scheduler.cancel("b") == Cancelled::removed);
    CHECK(scheduler.cancel("b") == Cancelled::unknown);
    REQUIRE(scheduler.next(0s) == "a");
    CHECK(scheduler.cancel("a") == Cancelled::stop);
    CHECK(scheduler.no_lease("a", 0s) == Returned::cancelled);
    CHECK_FALSE(scheduler.next(100s));
    CHECK(scheduler.waiting() == 0);
}

TEST_CASE("scheduler: serial after a shortage of resources, then parallel again") {
    Scheduler scheduler({.max_parallel_fast_jobs = 2});
    std::uint64_t sequence = 0;
    for (const auto* id : {"a", "b", "c", "d", "e", "f"})
        scheduler.add({id, ++sequence, JobType::fast, 0, {}});
    CHECK(start(scheduler, 32) == "a");
    CHECK(start(scheduler, 33) == "b");
    CHECK(scheduler.short_of("b", "memory", 0s) == Returned::waiting);
    CHECK(scheduler.mode().one_in_all);
    CHECK(scheduler.mode().text == "one job at a time: not enough memory");
    CHECK_FALSE(scheduler.next(1s));
    scheduler.finished("a", 1s);
    CHECK(start(scheduler, 32, 1s) == "b");
    CHECK_FALSE(scheduler.next(1s));
    scheduler.finished("b", 4s);  // not quiet for long enough
    CHECK(start(scheduler, 32, 4s) == "c");
    CHECK_FALSE(scheduler.next(4s));
    scheduler.finished("c", 5s);
    CHECK(start(scheduler, 32, 5s) == "d");
    CHECK(start(scheduler, 33, 5s) == "e");
    scheduler.finished("d", 5s);
    CHECK(scheduler.mode().why == SchedulerMode::Why::configured);
}

TEST_CASE("scheduler: a job that still lacks resources when it runs alone is given up") {
    Scheduler scheduler({});
    scheduler.add({"big", 1, JobType::fast, 0, {}});
    Time now = 0s;
    auto returned = Returned::waiting;
    int tries = 0;
    while (returned == Returned::waiting) {
        REQUIRE(scheduler.next(now) == "big");
        returned = scheduler.short_of("big", "memory", now);
        CHECK_FALSE(scheduler.next(now));
        if (const auto next = scheduler.next_deadline()) now = *next;
        ++tries;
    }
    CHECK(returned == Returned::given_up);
    CHECK(tries == 8);
    CHECK(scheduler.waiting() == 0);
}

TEST_CASE("scheduler: a DSCP released before its job's end is recorded blocks nobody") {
    Scheduler scheduler({});
    for (std::uint64_t i = 1; i <= 3; ++i)
        scheduler.add({std::to_string(i), i, JobType::fast, 0, {}});
    CHECK(start(scheduler, 32) == "1");
    // The worker of 1 released DSCP 32, and 2 gets it; the end of 1 is reported later.
    CHECK(start(scheduler, 32) == "2");
    CHECK(scheduler.dscp_of("1") == std::nullopt);
    CHECK(start(scheduler, 33) == "3");
    scheduler.finished("1", 0s);
    CHECK(scheduler.dscp_of("2") == 32);
    CHECK(scheduler.running() == 2);
}

TEST_CASE("scheduler: reports of a job that is not starting are ignored") {
    Scheduler scheduler({});
    scheduler.add({"a", 1, JobType::fast, 0, {}});
    scheduler.add({"b", 2, JobType::fast, 0, {}});
    REQUIRE(scheduler.next(0s) == "a");
    CHECK_FALSE(scheduler.leased("b", 32));
    CHECK_FALSE(scheduler.leased("no such job", 32));
    CHECK(scheduler.starting() == "a");
    CHECK(scheduler.leased("a", 32));
}

TEST_CASE("scheduler: users take turns, and one cannot take every slot") {
    Scheduler scheduler({.max_parallel_fast_jobs = 4, .most_user = 3});
    std::uint64_t sequence = 0;
    const auto add = [&](const char* id, std::uint32_t user) {
        scheduler.add({id, ++sequence, JobType::fast, user, {}});
    };
    for (const auto* id : {"a1", "a2", "a3", "a4", "a5"}) add(id, 1000);
    CHECK(start(scheduler, 32) == "a1");
    add("b1", 1001);
    add("b2", 1001);
    CHECK(start(scheduler, 33) == "b1");
    SECTION("the oldest of who runs fewest") {
        scheduler.finished("b1", 0s);
        CHECK(start(scheduler, 33) == "b2");
        CHECK(start(scheduler, 34) == "a2");
    }
    SECTION("one slot is root's") {
        CHECK(start(scheduler, 34) == "a2");
        CHECK(start(scheduler, 35).empty());
        add("r1", 0);
        add("r2", 0);
        CHECK(start(scheduler, 35) == "r1");
        CHECK(start(scheduler, 36).empty());
        scheduler.finished("a1", 0s);
        CHECK(start(scheduler, 32) == "b2");
    }
    SECTION("three are the most of one") {
        scheduler.finished("b1", 0s);
        scheduler.cancel("b2");
        CHECK(start(scheduler, 33) == "a2");
        CHECK(start(scheduler, 34) == "a3");
        CHECK(start(scheduler, 35).empty());
    }
}

TEST_CASE("scheduler: short jobs of one user do not starve others of a single slot") {
    Scheduler scheduler({.max_parallel_fast_jobs = 1});
    scheduler.add({"a1", 1, JobType::fast, 1000, {}});
    CHECK(start(scheduler, 32) == "a1");
    scheduler.add({"b1", 2, JobType::fast, 1001, {}});
    scheduler.add({"c1", 3, JobType::fast, 1002, {}});
    scheduler.finished("a1", 0s);
    scheduler.add({"a2", 4, JobType::fast, 1000, {}});
    CHECK(start(scheduler, 32) == "b1");
    scheduler.finished("b1", 0s);
    scheduler.add({"b2", 5, JobType::fast, 1001, {}});
    CHECK(start(scheduler, 32) == "c1");
}
