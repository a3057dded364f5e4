// SPDX-License-Identifier: BSD-2-Clause
// The registry looked through: pins that were removed, entries written by hand, another ABI.
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

TEST_CASE("registry check: what is over is freed") {
    const Bench bench;
    const auto kept = value(bench.registry.allocate(Bench::request("kept")));
    auto lease = lease_of("by-hand", 40);
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
    // The timers that were set up a moment ago look once at every lease, and would be the first to
    // see that this one is over.
    REQUIRE(eventually([&] { return !is_armed(bench, 40); }));
    write_lease(bench, 40, lease);
    for (int look = 0; look < 2; ++look) {  // looking alone changes nothing
        const auto found = check(bench);
        REQUIRE(found.size() == 1);
        CHECK(found.front().what.starts_with("DSCP 40 "));
        CHECK_FALSE(found.front().repaired);
    }
    const auto repaired = check(bench, true);
    REQUIRE(repaired.size() == 1);
    CHECK(repaired.front().repaired);
    CHECK(check(bench).empty());
    // Whoever held a DSCP holds it still.
    CHECK(value(bench.registry.holds(kept.dscp, kept.generation)));
    CHECK(value(bench.registry.find_job("kept")).dscp == kept.dscp);
}

TEST_CASE("registry check: an entry that cannot be is named, with the way out") {
    const Bench bench;
    value(bench.registry.allocate(Bench::request("kept")));
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
    SECTION("another's DSCP") {
        lease.dscp = 41;
    }
    SECTION("a job that is no name") {
        std::strcpy(lease.job, "a b\n");
    }
    SECTION("a job of another lease's") {
        std::strcpy(lease.job, "kept");
    }
    write_lease(bench, 40, lease);
    const auto found = check(bench, true);
    REQUIRE(found.size() == 1);
    CHECK(found.front().what.starts_with("DSCP 40: "));
    CHECK_FALSE(found.front().repaired);
    CHECK(found.front().remedy.find("uninstall --force") != std::string::npos);
    CHECK_FALSE(bench.registry.allocate([] {
        auto request = Bench::request("next");
        request.dscp = 40;
        return request;
    }()));
}

TEST_CASE("registry: where pins are missing nothing is given out, and the remedy helps") {
    const Lab lab;
    const auto pid = std::to_string(getpid());
    const std::vector<std::string> allocate{"registry", "allocate", "--job", "mine", "--pid", pid};
    REQUIRE(ksmsctl_run(lab, allocate).out == "32\n");
    const auto* name = GENERATE("leases", "registry", "ksms_lease", "config", "counters");
    REQUIRE(std::filesystem::remove(lab.pin_root() + "/" + name));
    const bool registrys = std::string(name) != "counters";
    for (const auto& command : std::vector<std::vector<std::string>>{
             {"registry", "allocate", "--job", "next", "--pid", pid}, {"registry", "check"}}) {
        if (!registrys) continue;
        const auto refused = ksmsctl_run(lab, command);
        INFO(name << refused.out << refused.err);
        CHECK(refused.exit == 1);
        CHECK(refused.err.find(std::string(name) + ": somebody removed it") != std::string::npos);
        CHECK(refused.err.find("uninstall --force") != std::string::npos);
    }
    CHECK(ksmsctl_run(lab, {"doctor"}).out.find(lab.pin_root() + "/" + name) != std::string::npos);
    const auto kept = ksmsctl_run(lab, {"uninstall"});
    INFO(name << kept.out << kept.err);
    CHECK(kept.exit == 1);
    REQUIRE(ksmsctl_run(lab, {"uninstall", "--force"}).exit == 0);
    CHECK(ksmsctl_run(lab, allocate).out == "32\n");
}

TEST_CASE("registry: maps of another version are left alone, and no DSCP is given out twice") {
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
    CHECK(must(ksmsctl(bench.lab, {"registry", "allocate", "--job", "next", "--pid", pid})) ==
          "32\n");
}
