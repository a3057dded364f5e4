// SPDX-License-Identifier: BSD-2-Clause
// Failures of the predecessor's registry; the numbers are those of tests/README.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <fstream>

#include "base/clock.hpp"
#include "lab/ksmsctl.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace std::chrono_literals;
using namespace ksms::lab;

namespace {

using Bench = RegistryBench;

/// Sets the next PID of this PID namespace (proc(5), ns_last_pid), unless another process
/// forks meanwhile.
void next_pid_is(pid_t pid) {
    std::ofstream("/proc/sys/kernel/ns_last_pid") << pid - 1;
}

/// A process that runs until the end of the scope.
class Sleeper {
public:
    Sleeper() : pid_(fork()) {
        while (pid_ == 0) pause();
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_;
};

Command as_user(const Lab& lab, uid_t uid, const std::vector<std::string>& arguments) {
    auto command = ksmsctl(lab, arguments);
    command.uid = uid;
    return command;
}

}  // namespace

TEST_CASE("failure 19: a PID that was used again does not keep a dead job's DSCP") {
    const Bench bench;
    pid_t used = 0;
    const bool reused = eventually([&] {
        {
            const Sleeper owner;
            used = owner.pid();
            auto request = Bench::request("dead");
            request.owner = value(process_id(static_cast<std::uint32_t>(used)));
            value(bench.registry.allocate(request));
        }
        next_pid_is(used);
        const Sleeper other;
        if (other.pid() != used) return false;
        CHECK(value(bench.registry.list()).empty());
        // The new process with that PID is another owner of the same job's name.
        auto again = Bench::request("dead");
        again.owner = value(process_id(static_cast<std::uint32_t>(used)));
        const auto lease = value(bench.registry.allocate(again));
        CHECK_FALSE(lease.found);
        CHECK(value(bench.registry.release(lease.dscp, lease.generation)));
        return true;
    });
    REQUIRE(reused);
}

TEST_CASE("failure 20: a living owner of another user does not count as dead") {
    const Lab lab;
    const auto held = must(ksmsctl(
        lab, {"registry", "allocate", "--job", "roots", "--pid", std::to_string(getpid())}));
    CHECK(held == "32\n");
    // A process that may not signal it can neither take its DSCP nor delete its entry.
    const auto other = run(as_user(
        lab, 65534, {"registry", "allocate", "--job", "mine", "--no-owner", "--ttl", "60"}));
    INFO(other.err);
    CHECK(other.exit == 6);
    const auto reaped = run(ksmsctl(lab, {"registry", "reap"}));
    CHECK(reaped.out == "nothing to reap\n");
    CHECK(run(ksmsctl(lab, {"registry", "show", "--job", "roots"})).exit == 0);
}

TEST_CASE("failure 21: a live owner past its time is told, the next has a new generation") {
    const Bench bench;
    auto request = Bench::request("late");
    request.ttl = 50ms;
    const auto lease = value(bench.registry.allocate(request));
    REQUIRE(eventually([&] { return !value(bench.registry.holds(lease.dscp, lease.generation)); }));
    const auto next = value(bench.registry.allocate(Bench::request("next")));
    CHECK(next.dscp == lease.dscp);
    CHECK(next.generation > lease.generation);
    const auto renewed = bench.registry.renew(lease.dscp, lease.generation, 1s);
    REQUIRE_FALSE(renewed);
    CHECK(renewed.error().code == Code::not_found);
    CHECK_FALSE(value(bench.registry.release(lease.dscp, lease.generation)));
    CHECK(value(bench.registry.holds(next.dscp, next.generation)));
}

TEST_CASE("failure 23: one id has one owner, and only the owner can release it") {
    const Bench bench;
    const Owner other([&] { value(bench.registry.allocate(Bench::request("shared"))); });
    const auto refused = bench.registry.allocate(Bench::request("shared"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::no_dscp);
    const auto theirs = value(bench.registry.find_job("shared"));
    const auto mine = value(bench.registry.allocate(Bench::request("mine")));
    CHECK(value(bench.registry.release(mine.dscp, mine.generation)));
    CHECK(
        value(bench.registry.holds(static_cast<std::uint8_t>(theirs.dscp), generation_of(theirs))));
}

TEST_CASE("failure 24: the 33rd job runs when the first ends") {
    const Bench bench;
    std::vector<Lease> held;
    for (int i = 0; i < 32; ++i)
        held.push_back(value(bench.registry.allocate(Bench::request(fmt::format("job-{}", i)))));
    const pid_t waiter = fork();
    if (waiter == 0) {
        const auto lease = bench.registry.allocate(Bench::request("the-33rd"), 30s);
        _exit(lease ? lease->dscp : 128);
    }
    REQUIRE(eventually([&] { return value(bench.registry.figures()).waiting == 1; }));
    CHECK(value(bench.registry.release(held[7].dscp, held[7].generation)));
    int status = 0;
    CHECK(eventually([&] { return waitpid(waiter, &status, WNOHANG) == waiter; }));
    CHECK(WEXITSTATUS(status) == 39);
}

TEST_CASE("failure 25: a killed owner's DSCP is free at once, with nobody allocating") {
    const Bench bench;
    Owner owner([&] { value(bench.registry.allocate(Bench::request("killed"))); });
    const auto lease = value(bench.registry.find_job("killed"));
    const auto dscp = static_cast<std::uint8_t>(lease.dscp);
    owner.kill();  // returns after wait(2): the exit hook ran before
    CHECK_FALSE(value(bench.registry.holds(dscp, generation_of(lease))));
    CHECK(value(bench.registry.list()).empty());
    CHECK(value(bench.registry.figures()).reaped_exit == 1);
}
