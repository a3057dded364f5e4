// SPDX-License-Identifier: BSD-2-Clause
// The registry put right: pins that were removed, entries written by hand, another ABI.
#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "base/clock.hpp"
#include "lab/ksmsctl.hpp"
#include "registry/check.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

using Bench = RegistryBench;

std::vector<Finding> check(const Bench& bench, bool repair = false) {
    return value(check_leases(bench.objects.registry, RegistryLimits{}, repair));
}

/// As `bpftool map update` would.
void write_lease(const Bench& bench, std::uint32_t dscp, const ksms_lease& lease) {
    ok(bench.objects.registry.leases.update(dscp, lease));
}

bool is_armed(const Bench& bench, std::uint32_t dscp) {
    const auto shown =
        nlohmann::json::parse(must({.arguments = {"bpftool", "-j", "map", "lookup", "pinned",
                                                  bench.lab.pin_root() + "/lease_timers", "key",
                                                  std::to_string(dscp), "0", "0", "0"}}));
    return shown["formatted"]["value"]["armed"] != 0;
}

ksms_lease lease_of(const char* job, std::uint32_t dscp) {
    ksms_lease lease{};
    lease.state = 7ull << 8 | KSMS_LEASE_HELD;
    lease.owner_pid = static_cast<std::uint32_t>(getpid());
    lease.owner_start = value(this_process()).start;
    lease.allocated_ns = monotonic_ns();
    lease.dscp = dscp;
    std::strcpy(lease.job, job);
    std::strcpy(lease.user, "root");
    return lease;
}

Outcome ksmsctl_run(const Lab& lab, const std::vector<std::string>& arguments) {
    return run(ksmsctl(lab, arguments));
}

}  // namespace

TEST_CASE("registry check: a table that is in order, under load too, has no finding") {
    const Bench bench;
    value(bench.registry.allocate(Bench::request("one")));
    auto brief = Bench::request("two");
    brief.owner.reset();
    brief.ttl_ns = 60'000'000'000;
    value(bench.registry.allocate(brief));
    CHECK(check(bench).empty());
}

TEST_CASE("registry check: each thing that cannot be is found, explained and put right") {
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
    // The timers that were set up a moment ago look once at every lease, and would be the first to
    // see that this one is over.
    REQUIRE(eventually([&] { return !is_armed(bench, 40); }));
    write_lease(bench, 40, lease);
    const auto found = check(bench);
    REQUIRE_FALSE(found.empty());
    CHECK(found.front().what.find("40") != std::string::npos);
    CHECK_FALSE(found.front().why.empty());
    CHECK_FALSE(found.front().repaired);
    CHECK_FALSE(check(bench).empty());  // looking alone changes nothing
    const auto repaired = check(bench, true);
    CAPTURE(repaired.front().what);
    for (const auto& finding : repaired) CHECK(finding.repaired);
    const auto after = check(bench);
    CAPTURE(after.empty() ? "" : after.front().what);
    CHECK(after.empty());
    // Whoever held a DSCP holds it still.
    CHECK(value(bench.registry.holds(kept.dscp, kept.generation)));
    CHECK(value(bench.registry.find_job("kept")).dscp == kept.dscp);
}

TEST_CASE("registry check: pins that were removed are found again, no DSCP is given out twice") {
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

TEST_CASE("registry check: where all pins are gone, what somebody still holds is found again") {
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

TEST_CASE("registry check: without any pin and any process of ours, held DSCPs stay held") {
    const Lab lab;
    const auto pid = std::to_string(getpid());
    must(ksmsctl(lab, {"registry", "allocate", "--job", "mine", "--pid", pid}));
    std::optional<Owner> owner(std::in_place, [&] {
        must(ksmsctl(lab,
                     {"registry", "allocate", "--job", "dies", "--pid", std::to_string(getpid())}));
    });
    std::filesystem::remove_all(lab.pin_root());
    CHECK(ksmsctl_run(lab, {"gc"}).out.starts_with("no dead process left anything"));
    owner.reset();  // unseen: the hook went with the pins
    const auto next = ksmsctl_run(lab, {"registry", "allocate", "--job", "next", "--pid", pid});
    INFO(next.err);
    CHECK(next.out == "33\n");
    CHECK(ksmsctl_run(lab, {"registry", "show", "--job", "mine"}).exit == 0);
    CHECK(ksmsctl_run(lab, {"registry", "check"}).out == "the registry is in order\n");
    for (const char* job : {"mine", "next"})
        must(ksmsctl(lab, {"registry", "release", "--job", job}));
    // Where nobody holds one nothing is kept.
    std::filesystem::remove_all(lab.pin_root());
    CHECK(ksmsctl_run(lab, {"gc"}).out.find("a registry without pins") != std::string::npos);
    CHECK(ksmsctl_run(lab, {"gc"}).out.starts_with("no dead process left anything"));
}

TEST_CASE("registry check: an older ABI is explained, and replaced without losing a lease") {
    const Bench bench;
    const auto pid = std::to_string(getpid());
    must(ksmsctl(bench.lab, {"registry", "allocate", "--job", "mine", "--pid", pid}));
    must(ksmsctl(bench.lab, {"registry", "allocate", "--job", "timed", "--no-owner", "--ttl", "600",
                             "--dscp", "50"}));
    auto dead = lease_of("dead", 40);
    dead.owner_start -= 1;
    write_lease(bench, 40, dead);
    auto& config = bench.objects.config.values()[0];
    config.abi = 1;
    const auto words = fmt::format("ABI version 1, this program has {}", KSMS_ABI_VERSION);
    const auto refused = ksmsctl_run(bench.lab, {"registry", "list"});
    CHECK(refused.exit == 1);
    CHECK(refused.err.find(words) != std::string::npos);
    CHECK(refused.err.find("registry check --repair") != std::string::npos);
    const auto checked = ksmsctl_run(bench.lab, {"registry", "check"});
    CHECK(checked.exit == 1);
    CHECK(checked.out.find(words) != std::string::npos);
    SECTION("a scan of that version runs") {
        config.active_scans = std::uint64_t{1} << 32;
        const auto running = ksmsctl_run(bench.lab, {"registry", "check", "--repair"});
        CHECK(running.exit == 1);
        CHECK(running.out.find("DSCP 32, pid " + pid) != std::string::npos);
        CHECK(config.abi == 1);
        config.active_scans = 0;
    }
    SECTION("a newer one") {
        config.abi = KSMS_ABI_VERSION + 1;
        CHECK(ksmsctl_run(bench.lab, {"registry", "check", "--repair"}).exit == 1);
        CHECK(ksmsctl_run(bench.lab, {"registry", "list"}).err.find("the ksmsctl that belongs") !=
              std::string::npos);
        config.abi = 1;
    }
    const auto repaired = ksmsctl_run(bench.lab, {"registry", "check", "--repair"});
    INFO(repaired.out << repaired.err);
    CHECK(repaired.exit == 0);
    CHECK(repaired.out.find("2 leases are held") != std::string::npos);
    CHECK(ksmsctl_run(bench.lab, {"registry", "check"}).out == "the registry is in order\n");
    const auto leases =
        nlohmann::json::parse(must(ksmsctl(bench.lab, {"registry", "list", "-j"})))["leases"];
    REQUIRE(leases.size() == 2);
    CHECK(leases[0]["job_id"] == "mine");
    CHECK(leases[0]["dscp"] == 32);
    CHECK(leases[0]["pid"] == getpid());
    CHECK(leases[1]["job_id"] == "timed");
    CHECK(leases[1]["dscp"] == 50);
    CHECK(must(ksmsctl(bench.lab, {"registry", "allocate", "--job", "next", "--pid", pid})) ==
          "33\n");
}

TEST_CASE("registry check: an older ABI is replaced, whatever a member has written into it") {
    const Bench bench;
    const auto by_member = [&](std::uint32_t dscp, const char* job, const char* user) {
        auto lease = lease_of(job, dscp);
        lease.uid = 4000;
        lease.owner_pid = 0;
        lease.owner_start = 0;
        lease.expires_ns = ~std::uint64_t{0} / 2;
        std::memset(lease.user, 0, sizeof lease.user);
        std::strcpy(lease.user, user);
        write_lease(bench, dscp, lease);
    };
    by_member(33, "twice", "mallory");
    by_member(34, "twice", "mallory");
    by_member(35, "repaired.34", "mallory");
    by_member(36, "ksmsd:1", "mallory");
    by_member(37, "a b", "\033[2J");
    by_member(38, "nameless", "");
    bench.objects.config.values()[0].abi = 1;
    const auto repaired = ksmsctl_run(bench.lab, {"registry", "check", "--repair"});
    INFO(repaired.out << repaired.err);
    CHECK(repaired.exit == 0);
    const auto leases =
        nlohmann::json::parse(must(ksmsctl(bench.lab, {"registry", "list", "-j"})))["leases"];
    std::vector<std::string> jobs, users;
    for (const auto& lease : leases) {
        jobs.push_back(lease["job_id"]);
        users.push_back(lease["username"]);
        CHECK(lease["expires_at"].get<double>() < double(realtime_ns()) / 1e9 + 86'400);
    }
    CHECK(jobs == std::vector<std::string>{"twice", "repaired.34_", "repaired.34", "repaired.36",
                                           "repaired.37", "nameless"});
    CHECK(users == std::vector<std::string>{"mallory", "mallory", "mallory", "mallory", "uid:4000",
                                            "uid:4000"});
    CHECK(ksmsctl_run(bench.lab, {"registry", "check"}).out == "the registry is in order\n");
}
