// SPDX-License-Identifier: BSD-2-Clause
// Time is moved by hand.
#include "queue/scheduler.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace ksms;
using namespace std::chrono_literals;

namespace {

using Time = Scheduler::Time;

/// Starts what next() gives, with the DSCP.
std::string start(Scheduler& scheduler, int dscp, Time now = 0s) {
    const auto id = scheduler.next(now);
    if (!id) return "";
    REQUIRE(scheduler.leased(*id, dscp));
    return *id;
}

}  // namespace

TEST_CASE("scheduler: the oldest first, as many as allowed, one is asking at a time") {
    Scheduler scheduler({.max_parallel_fast_jobs = 2});
    CHECK(scheduler.add("b", 2, JobType::fast));
    CHECK(scheduler.add("a", 1, JobType::fast));
    CHECK(scheduler.add("c", 3, JobType::fast));
    CHECK_FALSE(scheduler.add("c", 4, JobType::fast));
    CHECK(scheduler.next(0s) == "a");
    CHECK_FALSE(scheduler.next(0s));
    REQUIRE(scheduler.leased("a", 32));
    CHECK(scheduler.next(0s) == "b");
    CHECK_FALSE(scheduler.leased("b", 32));
    REQUIRE(scheduler.leased("b", 33));
    CHECK_FALSE(scheduler.next(0s));
    scheduler.finished("a", 0s);
    CHECK(scheduler.next(0s) == "c");
}

TEST_CASE("scheduler: fast and detailed jobs do not wait for each other") {
    Scheduler scheduler({.max_parallel_fast_jobs = 1});
    scheduler.add("d1", 1, JobType::detailed);
    scheduler.add("d2", 2, JobType::detailed);
    scheduler.add("f1", 3, JobType::fast);
    CHECK(start(scheduler, 32) == "d1");
    CHECK(start(scheduler, 33) == "f1");
    CHECK_FALSE(scheduler.next(0s));
    scheduler.finished("d1", 0s);
    CHECK(start(scheduler, 32) == "d2");
}

TEST_CASE("scheduler: without parallel execution or registry one job in all") {
    SchedulerLimits limits;
    SECTION("parallel") {
        limits.parallel = false;
    }
    SECTION("registry") {
        limits.registry_enabled = false;
    }
    Scheduler scheduler(limits);
    scheduler.add("f", 1, JobType::fast);
    scheduler.add("d", 2, JobType::detailed);
    CHECK(start(scheduler, 32) == "f");
    CHECK_FALSE(scheduler.next(0s));
    CHECK(scheduler.mode().one_in_all);
    scheduler.finished("f", 0s);
    CHECK(start(scheduler, 32) == "d");
}

TEST_CASE("scheduler: who got no DSCP is at the front and starts the moment one is released") {
    Scheduler scheduler({});
    scheduler.add("a", 1, JobType::fast);
    scheduler.add("b", 2, JobType::fast);
    REQUIRE(scheduler.next(0s) == "a");
    CHECK(scheduler.no_lease("a", 0s) == Returned::waiting);
    CHECK_FALSE(scheduler.next(0s));
    CHECK(scheduler.mode().why == SchedulerMode::Why::no_lease);
    CHECK(scheduler.next_deadline() == Time(1s));
    scheduler.lease_freed();
    CHECK(scheduler.next(0s) == "a");

    // Between question and answer one was released.
    scheduler.lease_freed();
    scheduler.no_lease("a", 0s);
    CHECK(scheduler.next(0s) == "a");

    // The wake-up was lost.
    scheduler.no_lease("a", 10s);
    REQUIRE(scheduler.next_deadline() == Time(11s));
    CHECK_FALSE(scheduler.next(10s));
    CHECK(scheduler.next(11s) == "a");
}

TEST_CASE("scheduler: a job that waits for its own DSCP lets the others pass") {
    Scheduler scheduler({});
    scheduler.add("own", 1, JobType::fast, 40);
    scheduler.add("own too", 2, JobType::fast, 40);
    scheduler.add("any", 3, JobType::fast);
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

TEST_CASE("scheduler: a cancelled job is not given again") {
    Scheduler scheduler({});
    scheduler.add("a", 1, JobType::fast);
    scheduler.add("b", 2, JobType::fast);
    CHECK(scheduler.cancel("b") == Cancelled::removed);
    CHECK(scheduler.cancel("b") == Cancelled::unknown);
    REQUIRE(scheduler.next(0s) == "a");
    CHECK(scheduler.cancel("a") == Cancelled::stop);
    CHECK(scheduler.no_lease("a", 0s) == Returned::cancelled);
    CHECK_FALSE(scheduler.next(100s));
    CHECK(scheduler.waiting() == 0);
}

TEST_CASE("scheduler: serial after a shortage, and back by itself") {
    Scheduler scheduler({.max_parallel_fast_jobs = 2});
    std::uint64_t sequence = 0;
    for (const auto* id : {"a", "b", "c", "d", "e", "f"})
        scheduler.add(id, ++sequence, JobType::fast);
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

TEST_CASE("scheduler: a job that is too big for the machine is given up, alone") {
    Scheduler scheduler({});
    scheduler.add("big", 1, JobType::fast);
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

namespace {

/// A machine that has DSCPs, some held by others, and takes random decisions.
class Model {
public:
    explicit Model(unsigned seed) : random_(seed), scheduler_(limits()) {}

    void run(int events) {
        for (int i = 0; i < events; ++i) event();
        drain();
    }

private:
    SchedulerLimits limits() {
        limits_.max_parallel_fast_jobs = 1 + roll(4);
        limits_.leases = 1 + roll(6);
        limits_.parallel = roll(4) != 0;
        return limits_;
    }
    unsigned roll(unsigned sides) { return static_cast<unsigned>(random_() % sides); }

    void event() {
        now_ += std::chrono::milliseconds(roll(300));
        switch (roll(6)) {
            case 0: submit(); break;
            case 1: others(); break;
            case 2: finish(); break;
            case 3: lose(); break;
            default: ask(); break;
        }
        check();
    }
    void submit() {
        const auto id = std::to_string(++sequence_);
        const auto type = roll(3) == 0 ? JobType::detailed : JobType::fast;
        std::optional<int> wish;
        if (roll(5) == 0) wish = static_cast<int>(roll(limits_.leases));
        REQUIRE(scheduler_.add(id, sequence_, type, wish));
        waiting_[sequence_] = {type, wish};
    }
    /// Somebody outside takes or releases one; now and then nobody tells us.
    void others() {
        const int dscp = static_cast<int>(roll(limits_.leases));
        if (others_.erase(dscp) != 0) {
            if (roll(3) != 0) scheduler_.lease_freed();
        } else if (!held_.contains(dscp)) {
            others_.insert(dscp);
        }
    }
    void finish() {
        if (running_.empty()) return;
        auto job = running_.begin();
        std::advance(job, roll(static_cast<unsigned>(running_.size())));
        held_.erase(job->second.dscp);
        scheduler_.finished(std::to_string(job->first), now_);
        running_.erase(job);
    }
    void lose() {
        if (running_.empty() || roll(10) != 0) return;
        const auto job = running_.begin();
        held_.erase(job->second.dscp);
        const auto returned = scheduler_.short_of(std::to_string(job->first), "memory", now_);
        if (returned == Returned::waiting)
            waiting_[job->first] = {job->second.type, job->second.wish};
        running_.erase(job);
    }
    void ask() {
        const auto id = scheduler_.next(now_);
        if (!id) {
            if (const auto next = scheduler_.next_deadline()) REQUIRE(*next > now_);
            return;
        }
        const auto sequence = std::stoull(*id);
        const auto job = waiting_.at(sequence);
        for (const auto& [older, other] : waiting_) {
            // No older one of its kind that takes any DSCP is passed over.
            if (older < sequence && other.type == job.type) REQUIRE(other.wish);
        }
        for (int dscp = 0; dscp < static_cast<int>(limits_.leases); ++dscp) {
            if (held_.contains(dscp) || others_.contains(dscp) || job.wish.value_or(dscp) != dscp)
                continue;
            REQUIRE(scheduler_.leased(*id, dscp));
            REQUIRE(held_.insert(dscp).second);
            running_[sequence] = {job.type, job.wish, dscp};
            waiting_.erase(sequence);
            return;
        }
        REQUIRE(scheduler_.no_lease(*id, now_, job.wish.has_value()) == Returned::waiting);
    }
    void check() {
        std::size_t fast = 0;
        for (const auto& [sequence, job] : running_) fast += job.type == JobType::fast ? 1 : 0;
        REQUIRE(fast <= limits_.max_parallel_fast_jobs);
        REQUIRE(running_.size() - fast <= 1);
        if (!limits_.parallel) REQUIRE(running_.size() <= 1);
        REQUIRE(scheduler_.running() == running_.size());
        REQUIRE(scheduler_.waiting() == waiting_.size());
    }
    /// Others release all, without a word; then every job gets to its end by deadlines alone.
    void drain() {
        others_.clear();
        for (int i = 0; !waiting_.empty() || !running_.empty(); ++i) {
            REQUIRE(i < 100'000);
            const auto before = running_.size();
            ask();
            check();
            if (running_.size() != before || scheduler_.starting()) continue;
            if (!running_.empty())
                finish();
            else if (const auto next = scheduler_.next_deadline())
                now_ = *next;
        }
    }

    struct Waiting {
        JobType type;
        std::optional<int> wish;
    };
    struct Running {
        JobType type;
        std::optional<int> wish;
        int dscp;
    };
    std::mt19937 random_;
    SchedulerLimits limits_;
    Scheduler scheduler_;
    Time now_{0};
    std::uint64_t sequence_{0};
    std::map<std::uint64_t, Waiting> waiting_;
    std::map<std::uint64_t, Running> running_;
    std::set<int> held_, others_;
};

}  // namespace

TEST_CASE("scheduler: whatever happens, no DSCP twice, at most N, in order, and all get to run") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        INFO("seed " << seed);
        Model(seed).run(1000);
    }
}
