// SPDX-License-Identifier: BSD-2-Clause
// The registry's transactions in the kernel: a DSCP has one holder, ends with its owner, and cannot
// be released by others.
#include <sys/mman.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace std::chrono_literals;
using namespace ksms::lab;

namespace {

using Bench = RegistryBench;

struct SharedResults {
    int ready, go;
    int dscp[64];  // -1: refused for lack of one; -2: another error
};

}  // namespace

TEST_CASE("registry: of 64 concurrent allocations 32 get a DSCP, all different") {
    Bench bench;
    auto* shared = static_cast<SharedResults*>(mmap(
        nullptr, sizeof(SharedResults), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    REQUIRE(shared != MAP_FAILED);
    std::vector<pid_t> children;
    for (int i = 0; i < 64; ++i) {
        const pid_t pid = fork();
        if (pid == 0) {
            __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST) == 0) sched_yield();
            const auto lease = bench.registry.allocate(Bench::request("job-" + std::to_string(i)));
            shared->dscp[i] = lease ? lease->dscp : lease.error().code == Code::no_dscp ? -1 : -2;
            __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
            while (true) pause();
        }
        children.push_back(pid);
    }
    const auto ready = [&](int count) {
        return eventually(
            [&] { return __atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) == count; });
    };
    CHECK(ready(64));
    __atomic_store_n(&shared->go, 1, __ATOMIC_SEQ_CST);
    CHECK(ready(128));
    std::multiset<int> given(shared->dscp, shared->dscp + 64);
    CHECK(given.count(-1) == 32);
    CHECK(given.count(-2) == 0);
    for (int dscp = 32; dscp < 64; ++dscp) CHECK(given.count(dscp) == 1);
    for (const auto pid : children) ::kill(pid, SIGKILL);
    for (const auto pid : children) waitpid(pid, nullptr, 0);
    munmap(shared, sizeof(SharedResults));

    // All owners are dead, and no process had to clean up.
    CHECK(value(bench.registry.list()).empty());
    const auto after = bench.registry.allocate(Bench::request("after"));
    REQUIRE(after);
    CHECK(after->dscp == 32);
    CHECK(value(bench.registry.list()).size() == 1);
}

TEST_CASE("registry: two processes never both hold the same job") {
    Bench bench;
    for (int round = 0; round < 50; ++round) {
        auto* shared =
            static_cast<SharedResults*>(mmap(nullptr, sizeof(SharedResults), PROT_READ | PROT_WRITE,
                                             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        std::vector<pid_t> children;
        for (int i = 0; i < 4; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                const auto request = Bench::request("the-job");
                __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
                while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < 4) sched_yield();
                const auto lease = bench.registry.allocate(request);
                shared->dscp[i] = lease ? lease->dscp : -1;
                __atomic_add_fetch(&shared->go, 1, __ATOMIC_SEQ_CST);
                while (true) pause();
            }
            children.push_back(pid);
        }
        const bool all =
            eventually([&] { return __atomic_load_n(&shared->go, __ATOMIC_SEQ_CST) == 4; });
        const auto held = value(bench.registry.list());
        const auto winners =
            std::count_if(shared->dscp, shared->dscp + 4, [](int dscp) { return dscp > 0; });
        for (const auto pid : children) ::kill(pid, SIGKILL);
        for (const auto pid : children) waitpid(pid, nullptr, 0);
        munmap(shared, sizeof(SharedResults));
        REQUIRE(all);
        REQUIRE(winners == 1);
        REQUIRE(held.size() == 1);
    }
}

TEST_CASE(
    "registry: the same owner asking again for its job is given the same DSCP, another is told who "
    "has it") {
    Bench bench;
    const auto first = bench.registry.allocate(Bench::request("twice"));
    REQUIRE(first);
    CHECK_FALSE(first->found);
    const auto again = bench.registry.allocate(Bench::request("twice"));
    REQUIRE(again);
    CHECK(again->found);
    CHECK(again->dscp == first->dscp);
    CHECK(again->generation == first->generation);
    auto other = Bench::request("twice");
    other.owner = value(process_id(static_cast<std::uint32_t>(getppid())));
    const auto refused = bench.registry.allocate(other);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::no_dscp);
    CHECK(refused.error().message.find("pid " + std::to_string(getpid())) != std::string::npos);
}

TEST_CASE("registry: a held DSCP is refused, and the holder named") {
    Bench bench;
    auto mine = Bench::request("holder");
    mine.dscp = 40;
    REQUIRE(bench.registry.allocate(mine));
    auto wanted = Bench::request("latecomer");
    wanted.dscp = 40;
    const auto refused = bench.registry.allocate(wanted);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::no_dscp);
    CHECK(refused.error().message.find("holder") != std::string::npos);
    CHECK(value(bench.registry.figures()).refused == 1);
    wanted.dscp = 10;
    CHECK(bench.registry.allocate(wanted).error().code == Code::usage);
}

TEST_CASE("registry: DSCPs to avoid are allocated last") {
    Bench bench;
    auto request = Bench::request("careful");
    request.avoid = 1ull << 32 | 1ull << 33;
    CHECK(value(bench.registry.allocate(request)).dscp == 34);
    request = Bench::request("cornered");
    request.avoid = ~0ull;
    CHECK(value(bench.registry.allocate(request)).dscp == 32);
}

TEST_CASE("registry: a lease expires on time with no process running") {
    const Bench bench;
    auto request = Bench::request("brief");
    request.owner.reset();
    request.ttl = 300ms;
    const auto expires = instant(value(bench.registry.allocate(request)).record.expires_ns);
    Instant gone;
    REQUIRE(eventually([&] {
        gone = monotonic();
        return !value(bench.registry.holds(32, Generation(1)));
    }));
    CHECK(gone >= expires);
    CHECK(value(bench.registry.figures()).reaped_time == 1);
    CHECK(value(bench.registry.reap()).empty());
}

TEST_CASE("registry: a lease renewed after it was seen expired is not reaped") {
    const Bench bench;
    const auto lease = value(bench.registry.allocate(Bench::request("last-moment")));
    Surroundings late;
    late.monotonic = [&] {
        ok(bench.registry.renew(lease.dscp, lease.generation, 1h));
        return instant(lease.record.expires_ns);
    };
    CHECK(value(Registry(bench.objects.registry, RegistryLimits{}, late).reap()).empty());
    CHECK(value(bench.registry.find_job("last-moment")).expires_ns > lease.record.expires_ns);
}

TEST_CASE("registry: a lease without an owner cannot be endless") {
    const Bench bench;
    auto request = Bench::request("nobodys");
    request.owner.reset();
    request.ttl = 1min;
    const auto lease = value(bench.registry.allocate(request));
    const auto refused = bench.registry.renew(lease.dscp, lease.generation, 0ns);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::usage);
    CHECK(value(bench.registry.find_job("nobodys")).expires_ns == lease.record.expires_ns);
}

TEST_CASE("registry: a lease ends with its time to live, and renewing starts it again") {
    Bench bench;
    auto request = Bench::request("brief");
    request.owner.reset();
    request.ttl = 1min;
    const auto lease = value(bench.registry.allocate(request));
    REQUIRE(bench.registry.renew(lease.dscp, lease.generation, 1h));
    CHECK(value(bench.registry.find_job("brief")).expires_ns > in_ns(monotonic() + 50min));
    REQUIRE(bench.registry.renew(lease.dscp, lease.generation, 1ms));
    CHECK(eventually([&] { return value(bench.registry.list()).empty(); }));
}

TEST_CASE("registry: an old generation can neither release nor renew the new lease") {
    Bench bench;
    const auto old = value(bench.registry.allocate(Bench::request("old")));
    CHECK(value(bench.registry.release(old.dscp, old.generation)));
    CHECK_FALSE(value(bench.registry.release(old.dscp, old.generation)));
    const auto next = value(bench.registry.allocate(Bench::request("new")));
    REQUIRE(next.dscp == old.dscp);
    CHECK(next.generation != old.generation);
    CHECK_FALSE(value(bench.registry.release(old.dscp, old.generation)));
    CHECK_FALSE(bench.registry.renew(old.dscp, old.generation, 1ns));
    CHECK(value(bench.registry.find_job("new")).dscp == next.dscp);
}
