// SPDX-License-Identifier: BSD-2-Clause
// A hostile member of the group who runs ksms_lease with arbitrary arguments.
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "registry_member.hpp"

using namespace ksms;
using namespace ksms::lab;

TEST_CASE("hostile: job names are text, and the prefix ksmsd: is reserved for root") {
    const RegistryBench bench;
    const auto named = [&](uid_t user, std::string_view job, std::string_view whom = "mallory") {
        return as(user, [&] {
            auto call = asking(job);
            std::memset(call.request.user, 0, sizeof call.request.user);
            whom.copy(call.request.user, sizeof call.request.user);
            return ask(bench, call);
        });
    };
    using namespace std::string_view_literals;
    const std::string longest(63, 'x'), service = "ksmsd:" + longest;
    for (const auto job : {""sv, "a b"sv, "\033[2J"sv, "a\0b"sv, "\0a"sv, "J\xc3\xb6rg"sv, "a/b"sv,
                           "a,b"sv, "a;b"sv, "a[b"sv, "a`b"sv, "a{b"sv, "a\x7f"sv}) {
        CAPTURE(job);
        CHECK(named(kMember, job) == EINVAL);
    }
    CHECK(named(kMember, std::string(64, 'x')) == EINVAL);
    CHECK(named(kMember, std::string(72, 'x')) == EINVAL);
    CHECK(named(kMember, "user", "a\nb") == EINVAL);
    CHECK(named(kMember, "user", "\033[2J") == EINVAL);
    CHECK(named(kMember, "user", "") == EINVAL);
    CHECK(named(kMember, "user", std::string(64, 'u')) == EINVAL);
    for (const std::string& job : {service, std::string("ksmsd:1"), std::string("ksmsd:")}) {
        CAPTURE(job);
        CHECK(named(kMember, job) == EACCES);
    }
    CHECK(value(bench.registry.list()).empty());
    for (const auto job : {"A"sv, "Z.a-z_0+9:@"sv, "ksmsd"sv, "ksmsd.1"sv, "Ksmsd:1"sv}) {
        CAPTURE(job);
        CHECK(named(kMember, job) == 0);
    }
    CHECK(named(kMember, longest, "J\xc3\xb6rg, B\xc3\xbcro 3") == 0);
    const auto held = value(bench.registry.allocate(RegistryBench::request(service)));
    CHECK(job_of(value(bench.registry.find_dscp(held.dscp))) == service);
}

TEST_CASE("hostile: only a pidfd is accepted as a pidfd") {
    const RegistryBench bench;
    std::vector<Fd> files;
    for (unsigned i = 0; i < 64; ++i) files.emplace_back(eventfd(i, EFD_CLOEXEC));
    files.emplace_back(timerfd_create(CLOCK_MONOTONIC, 0));
    files.emplace_back(epoll_create1(0));
    files.emplace_back(socket(AF_UNIX, SOCK_STREAM, 0));
    files.emplace_back(memfd_create("x", 0));
    for (const char* path : {"/proc/self/maps", "/proc/self/stat", "/proc/self", "/dev/null",
                             "/dev/full", "/sys/kernel/btf/vmlinux", "/"})
        files.emplace_back(open(path, O_RDONLY | O_CLOEXEC));
    files.emplace_back(dup(bench.objects.registry.program.get()));
    files.emplace_back(dup(bench.objects.registry.leases.raw().fd()));
    files.emplace_back(dup(bench.objects.registry.answers.get()));
    const auto owned_by = [&](int fd, std::uint32_t number) {
        auto call = asking("owned");
        call.owner_kind = KSMS_OWNER_PIDFD;
        call.owner_fd = static_cast<std::uint32_t>(fd);
        call.named_pid = number;
        return ask(bench, call);
    };
    std::set<std::uint32_t> results;
    for (const auto& file : files) {
        REQUIRE(file);
        for (std::uint32_t number = 0; number < 2000; ++number)
            results.insert(owned_by(file.get(), number));
    }
    for (const int fd : {-1, 100'000, 0x7fff'ffff}) results.insert(owned_by(fd, 1));
    CHECK(results == std::set<std::uint32_t>{EBADF});

    const auto pid = static_cast<std::uint32_t>(getpid());
    const Fd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    CHECK(owned_by(self.get(), pid + 1) == ESRCH);
    CHECK(owned_by(self.get(), pid) == 0);
}

TEST_CASE("hostile: a user namespace does not multiply a user's limits") {
    const RegistryBench bench;
    CHECK(as(kMember, [&] {
              if (unshare(CLONE_NEWUSER) != 0) return std::uint32_t{EOPNOTSUPP};  // not permitted
              return ask(bench, asking("in-a-box"));
          }) == EOPNOTSUPP);
}

TEST_CASE("hostile: a release/allocate loop does not keep other processes busy") {
    const RegistryBench bench;
    // A waiter that can never be served.
    const auto held = [] {
        auto request = RegistryBench::request("held");
        request.dscp = 32;
        return request;
    }();
    value(bench.registry.allocate(held));
    const Member waiters(kMember, [&] {
        for (int i = 0; i < 16; ++i) {
            auto call = waiting("w" + std::to_string(i));
            call.request.allowed = 1ull << 32;
            ask(bench, call);
        }
    });
    const Hammer hammer(kOther, 4, [&](int number) {
        auto call = asking("h" + std::to_string(number));
        if (ask(bench, call) == 0) ask(bench, release_of(call));
    });
    nanoseconds longest{0};
    for (int round = 0; round < 300; ++round) {
        const auto lease = value(bench.registry.allocate(RegistryBench::request("roots")));
        auto call = ksms_registry_call{};
        call.op = KSMS_OP_RELEASE;
        call.dscp = lease.dscp;
        call.generation = lease.generation.value();
        timespec before{}, after{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        REQUIRE(ask(bench, call) == 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        longest =
            std::max<nanoseconds>(longest, std::chrono::seconds(after.tv_sec - before.tv_sec) +
                                               nanoseconds(after.tv_nsec - before.tv_nsec));
    }
    CAPTURE(longest.count());
    CHECK(longest < std::chrono::milliseconds(100));  // CPU time; unbounded serving took seconds
}

TEST_CASE("hostile: a waiter is served despite a release/allocate loop of others") {
    const RegistryBench bench;
    auto wanted = RegistryBench::request("held");
    wanted.dscp = 32;
    const auto held = value(bench.registry.allocate(wanted));
    const Hammer hammer(kOther, 4, [&](int number) {
        auto call = asking("h" + std::to_string(number));
        if (ask(bench, call) == 0) ask(bench, release_of(call));
    });
    for (int round = 0; round < 20; ++round) {
        auto call = waiting("patient");
        call.request.allowed = 1ull << 32;
        REQUIRE(ask(bench, call) == EINPROGRESS);
        const auto current = value(bench.registry.find_dscp(32));
        REQUIRE((round > 0 || generation_of(current) == held.generation));
        REQUIRE(value(bench.registry.release(32, generation_of(current))));
        auto fetch = call;
        fetch.op = KSMS_OP_FETCH;
        REQUIRE(eventually([&] { return ask(bench, fetch) != EINPROGRESS; }));
        CHECK(fetch.result == 0);
        REQUIRE(ask(bench, release_of(fetch)) == 0);
        wanted.job = "held-" + std::to_string(round);
        // One of the others may hold it for a moment.
        value(bench.registry.allocate(wanted, std::chrono::seconds(30)));
    }
}
