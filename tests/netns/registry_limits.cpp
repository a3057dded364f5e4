// SPDX-License-Identifier: BSD-2-Clause
// The limits that root sets for members, against members who ask for more.
#include <bit>
#include <memory>

#include "base/clock.hpp"
#include "registry/check.hpp"
#include "registry_member.hpp"

using namespace ksms;
using namespace std::chrono_literals;
using namespace ksms::lab;

TEST_CASE("hostile: a request that can never be served reserves no DSCP") {
    const RegistryBench bench;
    const RegistryLimits limits;
    const Member member(kMember, [&] {
        count_of(bench, static_cast<int>(limits.user_leases), 0, false);
        ask(bench, waiting("greedy"));
    });
    CHECK(value(bench.registry.figures()).waiting == 1);
    CHECK(value(bench.registry.allocate(RegistryBench::request("roots"))).dscp == 40);
    CHECK(as(kOther, [&] { return ask(bench, asking("another-members")); }) == 0);
}

TEST_CASE("hostile: one member can take neither all DSCPs nor all waiting places") {
    const RegistryBench bench;
    const RegistryLimits limits;
    const Member member(kMember, [&] {
        const bool exact = count_of(bench, 64, 0, false) == limits.user_leases &&
                           count_of(bench, 200, EINPROGRESS, true) == limits.user_waiters &&
                           ask(bench, waiting("more")) == EMFILE;
        if (!exact) _exit(1);
    });
    CHECK(value(bench.registry.list()).size() == limits.user_leases);
    CHECK(value(bench.registry.figures()).waiting == limits.user_waiters);
    CHECK(bench.registry.allocate(RegistryBench::request("roots")));
    CHECK(as(kOther, [&] { return ask(bench, asking("another-members")); }) == 0);
}

TEST_CASE("hostile: many members together leave root's DSCPs and waiting places") {
    const RegistryBench bench;
    std::vector<std::unique_ptr<Member>> members;
    for (uid_t user = kMember; user < kMember + 10; ++user)
        members.push_back(std::make_unique<Member>(user, [&] {
            count_of(bench, 64, 0, false);
            count_of(bench, 64, EINPROGRESS, true);
        }));
    CHECK(value(bench.registry.list()).size() == std::size_t(std::popcount(kMembers)));
    CHECK(as(kOther + 100, [&] { return ask(bench, waiting("late")); }) == ENOSPC);
    for (const int dscp : {60, 61, 62, 63}) {
        const auto job = "roots-" + std::to_string(dscp);
        CHECK(value(bench.registry.allocate(RegistryBench::request(job))).dscp == dscp);
    }
    const auto full = bench.registry.allocate(RegistryBench::request("roots-5"), 100ms);
    REQUIRE_FALSE(full);
    CHECK(full.error().message.find("32 of 32 are held") != std::string::npos);
}

TEST_CASE("hostile: a member cannot ask for a DSCP reserved for root") {
    const RegistryBench bench;
    for (const std::uint64_t dscps : {1ull << 63, 1ull << 31, 0xfull << 60, 1ull})
        CHECK(as(kMember, [&] {
                  auto call = waiting("picky");
                  call.request.allowed = dscps;
                  return ask(bench, call);
              }) == EDOM);
    CHECK(as(kMember, [&] {
              auto call = asking("as-root");
              call.owner_kind = KSMS_OWNER_GIVEN;
              return ask(bench, call);
          }) == EPERM);
    CHECK(value(bench.registry.list()).empty());
}

TEST_CASE("hostile: a waiter for a fixed DSCP gets it and blocks nobody") {
    const RegistryBench bench;
    CHECK(as(kMember, [&] {
              auto first = asking("first");
              if (ask(bench, first) != 0) return 1u;
              count_of(bench, 7, 0, false);
              auto call = waiting("patient");
              if (ask(bench, call) != EINPROGRESS) return 2u;
              if (ask(bench, release_of(first)) != 0) return 3u;
              call.op = KSMS_OP_FETCH;
              return ask(bench, call);
          }) == 0);
}

TEST_CASE("hostile: a huge time to live does not overflow") {
    const RegistryBench bench;
    const RegistryLimits limits;
    for (const auto ttl : {in_ns(limits.longest) + 1, std::uint64_t{1} << 62, kEvery,
                           kEvery - in_ns(monotonic()) / 2}) {
        CHECK(as(kMember, [&] { return ask(bench, asking("endless", ttl)); }) == ERANGE);
        CHECK(as(kMember, [&] {
                  auto call = asking("renewed");
                  if (ask(bench, call) != 0) return 1u;
                  call.op = KSMS_OP_RENEW;
                  call.ttl_ns = ttl;
                  const auto renewed = ask(bench, call);
                  return ask(bench, release_of(call)) == 0 ? renewed : 2u;
              }) == ERANGE);
    }
    CHECK(ask(bench, asking("roots", kEvery)) == ERANGE);
    CHECK(as(kMember, [&] { return ask(bench, asking("nobodys", 0)); }) == EINVAL);
    CHECK(value(bench.registry.list()).empty());
    CHECK(as(kMember, [&] { return ask(bench, asking("a-day", in_ns(limits.longest))); }) == 0);
}

TEST_CASE("hostile: check finds leases that exceed limits set later") {
    const RegistryBench bench;
    auto lease = value(bench.registry.allocate(RegistryBench::request("made"))).record;
    lease.uid = kMember;
    lease.owner_pid = 0;
    lease.owner_start = 0;
    lease.expires_ns = kEvery / 2;
    ok(bench.objects.registry.leases.update(32, lease));
    const auto check = [&](bool repair) {
        return value(check_leases(bench.objects.registry, RegistryLimits{}, repair));
    };
    const auto found = check(false);
    REQUIRE_FALSE(found.empty());
    CHECK(found.front().what.find("86400 s is the longest") != std::string::npos);
    check(true);
    CHECK(check(false).empty());
    const auto now = value(bench.registry.find_dscp(32));
    CHECK(instant(now.expires_ns) - monotonic() <= RegistryLimits{}.longest);
    // Without owner and expiry it is over.
    lease.expires_ns = 0;
    ok(bench.objects.registry.leases.update(32, lease));
    CHECK(value(bench.registry.reap()).size() == 1);
    CHECK(value(bench.registry.list()).empty());
}

TEST_CASE("hostile: only root changes the limits, whichever configuration a caller has") {
    const RegistryBench bench;
    RegistryLimits narrow;
    narrow.dscp_min = 40;
    narrow.dscp_max = 43;
    narrow.user_leases = 2;
    CHECK_FALSE(value(limits_in_force(bench.objects.registry, narrow)));
    const auto found = value(check_leases(bench.objects.registry, narrow, false));
    REQUIRE(found.size() == 1);
    CHECK(found.front().what == "the limits in the kernel are not the configured ones");
    CHECK(value(check_leases(bench.objects.registry, narrow, true)).front().repaired);
    CHECK(value(limits_in_force(bench.objects.registry, narrow)));
    CHECK(as(kMember, [&] {
              auto call = asking("one");
              return ask(bench, call) == 0 ? call.dscp : 0;
          }) == 40);
    CHECK(as(kMember, [&] { return ask(bench, asking("two")); }) == 0);
    CHECK(as(kMember, [&] { return ask(bench, asking("three")); }) == EDQUOT);
    CHECK(as(kOther, [&] { return ask(bench, asking("four")); }) == 0);
    CHECK(as(kOther, [&] { return ask(bench, asking("five")); }) == EBUSY);
    CHECK(value(Registry(bench.objects.registry, narrow).allocate(RegistryBench::request("roots")))
              .dscp == 43);
}
