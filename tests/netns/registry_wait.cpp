// SPDX-License-Identifier: BSD-2-Clause
// Waiting for a DSCP: served when a holder releases, dies or expires, and ended by a signal.
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "lab/ksmsctl.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace std::chrono_literals;
using namespace ksms::lab;

namespace {

using Bench = RegistryBench;

/// A range of one DSCP.
RegistryLimits one() {
    RegistryLimits limits;
    limits.max_jobs = 1;
    return limits;
}

bool sleeps(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto name = text.rfind(") ");
    return name != std::string::npos && text[name + 2] == 'S';
}

/// A process that waits for the only DSCP and exits with its number, or with 128 and more.
class Waiter {
public:
    Waiter(const Bench& bench, const std::string& job) {
        pid_ = fork();
        REQUIRE(pid_ >= 0);
        if (pid_ != 0) return;
        const Registry narrow(bench.objects.registry, one());
        const auto lease = narrow.allocate(Bench::request(job), 20s);
        _exit(lease ? lease->dscp : 128 + static_cast<int>(lease.error().code));
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
        if (over_) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] bool waits() const {
        return eventually([&] { return sleeps(pid_); });
    }
    /// The allocated DSCP, within five seconds.
    [[nodiscard]] std::optional<int> served() {
        int status = 0;
        over_ = eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; });
        if (!over_ || !WIFEXITED(status)) return std::nullopt;
        return WEXITSTATUS(status);
    }

private:
    pid_t pid_{-1};
    bool over_{false};
};

}  // namespace

TEST_CASE("registry: a waiter is served when a living holder releases") {
    const Bench bench;
    const auto held = value(bench.registry.allocate(Bench::request("holder")));
    Waiter waiter(bench, "patient");
    REQUIRE(waiter.waits());
    CHECK(value(bench.registry.list()).size() == 1);
    CHECK(value(bench.registry.release(held.dscp, held.generation)));
    CHECK(waiter.served() == 32);
}

TEST_CASE("registry: a waiter is served when the holder dies") {
    const Bench bench;
    Owner holder([&] { value(bench.registry.allocate(Bench::request("holder"))); });
    Waiter waiter(bench, "patient");
    REQUIRE(waiter.waits());
    holder.kill();
    CHECK(waiter.served() == 32);
}

TEST_CASE("registry: a waiter is served when the holder's lease expires") {
    const Bench bench;
    auto brief = Bench::request("brief");
    const auto lease = value(bench.registry.allocate(brief));
    Waiter waiter(bench, "patient");
    REQUIRE(waiter.waits());
    ok(bench.registry.renew(lease.dscp, lease.generation, 50ms));
    CHECK(waiter.served() == 32);
}

TEST_CASE("registry: waiting ends at its timeout, and immediately on a stop") {
    const Bench bench;
    value(bench.registry.allocate(Bench::request("holder")));
    const Registry narrow(bench.objects.registry, one());
    const auto before = monotonic();
    CHECK(narrow.allocate(Bench::request("impatient"), 200ms).error().code == Code::no_dscp);
    CHECK(monotonic() - before >= 200ms);
    const std::atomic<int> stop{2};
    const auto again = monotonic();
    CHECK_FALSE(narrow.allocate(Bench::request("stopped"), 1h, &stop));
    CHECK(monotonic() - again < 10min);
}

TEST_CASE("registry: a job held by another owner is refused immediately despite --wait") {
    const Bench bench;
    const Owner holder([&] { value(bench.registry.allocate(Bench::request("taken"))); });
    const auto refused = bench.registry.allocate(Bench::request("taken"), 1h);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(std::to_string(holder.pid())) != std::string::npos);
}

TEST_CASE("registry allocate: --wait ends on Ctrl-C, with nothing held") {
    const Lab lab;
    const auto allocate = [&](const std::string& job) {
        return ksmsctl(lab, {"registry", "allocate", "--job", job, "--no-owner", "--ttl", "600",
                             "--dscp", "40", "--wait", "600", "-j"});
    };
    REQUIRE(run(allocate("holder")).exit == 0);
    Child child(allocate("waiter"));
    REQUIRE(eventually([&] { return sleeps(child.pid()); }));
    child.signal(SIGINT);
    const auto outcome = child.wait();
    INFO(outcome.out << outcome.err);
    CHECK(outcome.exit == 128 + SIGINT);
    CHECK(outcome.out.find("DSCP 40 is held by job holder of ") != std::string::npos);
    CHECK(run(ksmsctl(lab, {"registry", "show", "--job", "waiter"})).exit == 5);
    const auto status = run(ksmsctl(lab, {"registry", "status"}));
    INFO(status.err);
    CHECK(status.out.find("in use  1 of 32") == 0);
}
