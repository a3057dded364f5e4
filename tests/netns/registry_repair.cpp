// SPDX-License-Identifier: BSD-2-Clause
// Repair of the registry: removed pins, entries written by hand, another ABI version.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <future>

#include "base/clock.hpp"
#include "lab/ksmsctl.hpp"
#include "registry/check.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace std::chrono_literals;
using namespace ksms::lab;

namespace {

using Bench = RegistryBench;

std::vector<Finding> check(const Bench& bench, bool repair = false) {
    return value(check_leases(bench.objects.registry, RegistryLimits{}, repair));
}

/// Like `bpftool map update`.
void write_lease(const Bench& bench, std::uint32_t dscp, const ksms_lease& lease) {
    ok(bench.objects.registry.leases.update(dscp, lease));
}

/// Number of lease timers that are armed, or marked so and never fire.
std::ptrdiff_t armed(const std::string& root) {
    const auto timers = nlohmann::json::parse(
        must({.arguments = {"bpftool", "-j", "map", "dump", "pinned", root + "/lease_timers"}}));
    return std::ranges::count_if(timers, [](const auto& timer) {
        const auto& shown = timer["formatted"];
        return shown["key"] < KSMS_DSCPS && shown["value"]["armed"] != 0;
    });
}

ksms_lease lease_of(const char* job, std::uint32_t dscp) {
    ksms_lease lease{};
    lease.state = 7ull << 8 | KSMS_LEASE_HELD;
    lease.owner_pid = static_cast<std::uint32_t>(getpid());
    lease.owner_start = value(this_process()).start;
    lease.allocated_ns = in_ns(monotonic());
    lease.dscp = dscp;
    std::strcpy(lease.job, job);
    std::strcpy(lease.user, "root");
    return lease;
}

}  // namespace

TEST_CASE("registry check: a consistent table has no finding, also under load") {
    const Bench bench;
    value(bench.registry.allocate(Bench::request("one")));
    auto brief = Bench::request("two");
    brief.owner.reset();
    brief.ttl = 1min;
    value(bench.registry.allocate(brief));
    CHECK(check(bench).empty());
}

TEST_CASE("registry check: in another PID namespace no owner is known to have ended") {
    const Bench bench;
    const Owner owner([&] { value(bench.registry.allocate(Bench::request("outside"))); });
    auto inside = ksmsctl(bench.lab, {"registry", "check", "--repair"});
    const std::vector<std::string> words{"unshare",      "--pid",         "--fork",
                                         "--mount-proc", "--propagation", mount_propagation()};
    inside.arguments.insert(inside.arguments.begin(), words.begin(), words.end());
    const auto checked = run(inside);
    INFO(checked.out << checked.err);
    CHECK(checked.exit == 0);
    CHECK(value(bench.registry.list()).size() == 1);
}

TEST_CASE("registry: concurrent installations each have all timers") {
    const Lab lab;
    std::vector<std::string> roots;
    for (int i = 0; i < 12; ++i) roots.push_back(fmt::format("{}_{}", lab.pin_root(), i));
    const Defer remove([&] {
        for (const auto& root : roots)
            run(ksmsctl(lab, {"uninstall", "--force", "--pin-root", root}));
    });
    std::vector<std::future<Outcome>> installing;
    for (const auto& root : roots)
        installing.push_back(std::async(std::launch::async, [&lab, root] {
            return run(ksmsctl(lab, {"registry", "list", "--pin-root", root}));
        }));
    for (auto& each : installing) CHECK(each.get().exit == 0);
    for (const auto& root : roots) CHECK(eventually([&] { return armed(root) == 0; }));
}

TEST_CASE("registry check: each inconsistency is found, explained and repaired") {
    const Bench bench;
    const auto kept = value(bench.registry.allocate(Bench::request("kept")));
    auto lease = lease_of("by-hand", 40);
    SECTION("a state that is none") {
        lease.state = 7ull << 8 | 99;
    }
    SECTION("a transaction that never ended") {
        lease.state = 7ull << 8 | KSMS_LEASE_BUSY;
    }
    SECTION("a change that never ended") {
        lease.state = 7ull << 8 | KSMS_LEASE_CHANGING;
    }
    SECTION("a dead owner") {
        lease.owner_start -= 1;
    }
    SECTION("nobody's, without an end") {
        lease.owner_pid = 0;
        lease.owner_start = 0;
    }
    SECTION("time that is over") {
        lease.expires_ns = 1;
    }
    SECTION("another's DSCP") {
        lease.dscp = 41;
    }
    SECTION("a job that is no name") {
        std::strcpy(lease.job, "a b\n");
    }
    SECTION("a job of another lease's") {
        std::strcpy(lease.job, "kept");
    }
    SECTION("a scan that has ended") {
        lease.scanning = ksms_process_word(1, 1);
    }
    SECTION("an owner that the exit hook does not know, a slot that is not marked as in use") {}
    // Timers armed during installation check every lease once; they would reap this expired
    // lease before the check sees it.
    REQUIRE(
        eventually([&] { return armed(bench.lab.pin_root()) <= 1; }));  // the kept lease's timer
    write_lease(bench, 40, lease);
    const auto found = check(bench);
    REQUIRE_FALSE(found.empty());
    CHECK(found.front().what.find("40") != std::string::npos);
    CHECK_FALSE(found.front().why.empty());
    CHECK_FALSE(found.front().repaired);
    CHECK_FALSE(check(bench).empty());  // check without --repair changes nothing
    const auto repaired = check(bench, true);
    CAPTURE(repaired.front().what);
    for (const auto& finding : repaired) CHECK(finding.repaired);
    const auto after = check(bench);
    CAPTURE(after.empty() ? "" : after.front().what);
    CHECK(after.empty());
    // Held DSCPs stay held.
    CHECK(value(bench.registry.holds(kept.dscp, kept.generation)));
    CHECK(value(bench.registry.find_job("kept")).dscp == kept.dscp);
}

TEST_CASE("registry check: removed pins are restored, no DSCP is allocated twice") {
    const Lab lab;
    const auto pid = std::to_string(getpid());
    REQUIRE(ksmsctl_run(lab, {"registry", "allocate", "--job", "mine", "--pid", pid}).out ==
            "32\n");
    for (const char* name : {"leases", "waiters", "ksms_lease", "exit_hook", "counters"})
        REQUIRE(std::filesystem::remove(lab.pin_root() + "/" + name));
    const auto listed = ksmsctl_run(lab, {"registry", "list"});
    CHECK(listed.exit == 1);
    CHECK(listed.err.find("registry check --repair") != std::string::npos);
    const auto checked = ksmsctl_run(lab, {"registry", "check"});
    INFO(checked.out << checked.err);
    CHECK(checked.exit == 1);
    CHECK(checked.out.find("/leases is missing") != std::string::npos);
    const auto repaired = ksmsctl_run(lab, {"registry", "check", "--repair"});
    INFO(repaired.out << repaired.err);
    CHECK(repaired.exit == 0);
    CHECK(ksmsctl_run(lab, {"registry", "check"}).out == "the registry is in order\n");
    CHECK(ksmsctl_run(lab, {"registry", "allocate", "--job", "other", "--pid", pid}).out == "33\n");
    // The hook works again.
    Owner owner([&] {
        must(ksmsctl(lab,
                     {"registry", "allocate", "--job", "dies", "--pid", std::to_string(getpid())}));
    });
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "dies"}).exit == 0);
    owner.kill();
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "dies"}).exit == 5);
}

TEST_CASE("registry check: with all pins gone, maps still in use are found") {
    const Lab lab;
    Child holder(ksmsctl(lab, {"registry", "exec", "--job", "holder", "--", "sh", "-c",
                               "echo $KSMS_JOB_DSCP; exec tail -f /dev/null"}));
    REQUIRE(eventually([&] {
        (void)holder.ended(milliseconds{1});
        return holder.out() == "32\n";
    }));
    std::filesystem::remove_all(lab.pin_root());
    const auto next = ksmsctl_run(
        lab, {"registry", "allocate", "--job", "next", "--pid", std::to_string(getpid())});
    INFO(next.err);
    CHECK(next.out == "33\n");
    holder.signal(SIGKILL);
    holder.wait();
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "holder"}).exit == 5);
}

TEST_CASE("registry check: without pins and processes, held DSCPs stay held") {
    const Lab lab;
    const auto pid = std::to_string(getpid());
    must(ksmsctl(lab, {"registry", "allocate", "--job", "mine", "--pid", pid}));
    std::optional<Owner> owner(std::in_place, [&] {
        must(ksmsctl(lab,
                     {"registry", "allocate", "--job", "dies", "--pid", std::to_string(getpid())}));
    });
    std::filesystem::remove_all(lab.pin_root());
    CHECK(ksmsctl_run(lab, {"gc"}).out.starts_with("no dead process left anything"));
    owner.reset();  // unnoticed: the hook was removed with the pins
    const auto next = ksmsctl_run(lab, {"registry", "allocate", "--job", "next", "--pid", pid});
    INFO(next.err);
    CHECK(next.out == "33\n");
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "mine"}).exit == 0);
    CHECK(ksmsctl_run(lab, {"registry", "check"}).out == "the registry is in order\n");
    for (const char* job : {"mine", "next"})
        must(ksmsctl(lab, {"registry", "release", "--job", job}));
    // Without leases nothing is kept.
    std::filesystem::remove_all(lab.pin_root());
    CHECK(ksmsctl_run(lab, {"gc"}).out.find("a registry without pins") != std::string::npos);
    CHECK(ksmsctl_run(lab, {"gc"}).out.starts_with("no dead process left anything"));
}

TEST_CASE("registry: maps of another version are left alone, no DSCP is allocated twice") {
    const Bench bench;
    const auto pid = std::to_string(getpid());
    must(ksmsctl(bench.lab, {"registry", "allocate", "--job", "mine", "--pid", pid}));
    auto& config = bench.objects.config.values()[0];
    for (const std::uint32_t abi : {KSMS_ABI_VERSION - 1U, KSMS_ABI_VERSION + 1U}) {
        config.abi = abi;
        const auto words =
            fmt::format("ABI version {}, this program has {}", abi, KSMS_ABI_VERSION);
        for (const auto& command : std::vector<std::vector<std::string>>{
                 {"registry", "list"},
                 {"registry", "check"},
                 {"registry", "check", "--repair"},
                 {"registry", "allocate", "--job", "next", "--pid", pid},
                 {"gc"}}) {
            const auto refused = ksmsctl_run(bench.lab, command);
            INFO(command[1 % command.size()] << refused.err);
            CHECK(refused.exit == 1);
            CHECK(refused.err.find(words) != std::string::npos);
            CHECK(refused.err.find("uninstall --force") != std::string::npos);
        }
        const auto kept = ksmsctl_run(bench.lab, {"uninstall"});
        CHECK(kept.exit == 1);
        CHECK(kept.err.find(fmt::format("ABI version {}", abi)) != std::string::npos);
    }
    config.abi = KSMS_ABI_VERSION;
    const auto leases =
        nlohmann::json::parse(must(ksmsctl(bench.lab, {"registry", "list", "-j"})))["leases"];
    REQUIRE(leases.size() == 1);
    CHECK(leases[0]["job_id"] == "mine");
    config.abi = KSMS_ABI_VERSION - 1U;
    CHECK(ksmsctl_run(bench.lab, {"uninstall", "--force"}).exit == 0);
    // We still hold these maps, which differ from this version in one word only: DSCP 32 stays
    // held.
    CHECK(must(ksmsctl(bench.lab, {"registry", "allocate", "--job", "next", "--pid", pid})) ==
          "33\n");
}
