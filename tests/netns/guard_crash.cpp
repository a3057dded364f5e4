// SPDX-License-Identifier: BSD-2-Clause
// A dead process leaves nothing: its watcher undoes what it did, or the next command if the watcher
// died too.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>

#include "base/clock.hpp"
#include "bpf/attach.hpp"
#include "guard_actor.hpp"
#include "lab/wait.hpp"
#include "sanitized.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

using Texts = std::vector<std::string>;
constexpr std::uint8_t kDscp = 32;

/// A lease whose owner stays alive: only the guard releases it.
Status take_lease(const Objects& objects, Guard& guard) {
    KSMS_TRY(const auto owner, process_id(static_cast<std::uint32_t>(getppid())));
    ksms_registry_call call{};
    call.op = KSMS_OP_ALLOCATE;
    call.owner_kind = KSMS_OWNER_GIVEN;
    call.request.allowed = 1ull << kDscp;
    call.request.ttl_ns = 3600'000'000'000;
    call.request.owner_pid = owner.pid;
    call.request.owner_start = owner.start;
    std::ranges::copy(std::string_view("guard-test"), call.request.job);
    std::ranges::copy(std::string_view("tester"), call.request.user);
    KSMS_CHECK(call_program(objects.registry.program.get(), &call, sizeof call));
    if (call.result != 0) return fail_errno(static_cast<int>(call.result), "allocate");
    return guard.will(did_lease(kDscp, static_cast<std::uint32_t>(call.generation)));
}

bool lease_held(const Objects& objects) {
    return (value(objects.registry.leases.lookup(kDscp))->state & 0xff) == KSMS_LEASE_HELD;
}

/// One of each change that a scan makes.
Status everything(const GuardBench& bench, Guard& guard) {
    KSMS_CHECK(take_lease(bench.objects, guard));
    KSMS_CHECK(bench.add_qdisc(guard));
    KSMS_CHECK(bench.add_filter(guard, KSMS_INGRESS, kDscp));
    KSMS_CHECK(bench.add_filter(guard, KSMS_EGRESS, kDscp));
    for (const int family : {4, 6}) {
        KSMS_TRY(const auto address, Address::parse(bench.lab.address(family, 0, 6)));
        KSMS_CHECK(bench.add_neighbour(guard, address, kDscp));
    }
    KSMS_CHECK(guard.will(did_tap(17)));
    ksms_tap tap{};
    tap.owner_pid = static_cast<std::uint32_t>(getpid());
    KSMS_CHECK(bench.objects.taps.update(17, tap));
    KSMS_CHECK(guard.will(did_scan(kDscp, 1)));
    KSMS_CHECK(bench.objects.services.update({kDscp, 6, 80}, {0}));
    ksms_scan scan{};
    scan.active = 1;
    scan.generation = 1;
    scan.owner_pid = static_cast<std::uint32_t>(getpid());
    return begin_scan(bench.objects, kDscp, scan);
}

/// Objects that standing() does not show.
Texts objects_left(const GuardBench& bench) {
    const auto& objects = bench.objects;
    Texts left;
    if (lease_held(objects)) left.emplace_back("lease");
    if (value(objects.taps.lookup(17))) left.emplace_back("tap");
    if (value(objects.services.lookup({kDscp, 6, 80}))) left.emplace_back("service");
    if (value(objects.scans.lookup(kDscp))->active != 0) left.emplace_back("scan");
    if (objects.config.values()[0].active_scans != 0) left.emplace_back("active scans");
    return left;
}

const Texts kAllObjects{"lease", "tap", "service", "scan", "active scans"};

bool all_clean_soon(const GuardBench& bench) {
    return bench.clean_soon() && eventually([&] { return objects_left(bench).empty(); });
}

}  // namespace

TEST_CASE("kill -9: the watcher undoes everything within a second and exits") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    CHECK(bench.standing().size() == 5);
    REQUIRE(objects_left(bench) == kAllObjects);
    actor.kill();
    CHECK(all_clean_soon(bench));
    CHECK(bench.standing() == Texts{});
    CHECK(objects_left(bench) == Texts{});
    CHECK(actor.watcher_gone());
}

TEST_CASE("a normal end undoes everything, and the watcher exits") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    actor.end();
    CHECK(bench.standing() == Texts{});
    CHECK(objects_left(bench) == Texts{});
    CHECK(bench.journal_entries() == 0);
    CHECK(actor.watcher_gone());
}

TEST_CASE("scan and watcher killed: reconcile undoes everything and reports it") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    actor.kill_with_watcher();
    CHECK(bench.standing().size() == 5);
    CHECK(objects_left(bench) == kAllObjects);
    Texts said;
    for (const auto& undone : value(reconcile(bench.objects))) {
        CHECK(undone.error == "");
        said.push_back(undone.what);
    }
    const auto router = bench.lab.netns("r1");
    const auto four = value(Address::parse(bench.lab.address(4, 0, 6))).text();
    const auto six = value(Address::parse(bench.lab.address(6, 0, 6))).text();
    CHECK(said == Texts{"scan under DSCP 32", "neighbour " + six + " on eth0 in " + router,
                        "neighbour " + four + " on eth0 in " + router,
                        "filter on eth0 (egress) in " + router,
                        "filter on eth0 (ingress) in " + router, "lease of DSCP 32", "tap 17",
                        "clsact on eth0 in " + router});
    CHECK(bench.standing() == Texts{});
    CHECK(objects_left(bench) == Texts{});
    CHECK(bench.journal_entries() == 0);
    CHECK(value(reconcile(bench.objects)).empty());
}

TEST_CASE("only the watcher killed: the scan continues and cleans up itself") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    actor.kill_watcher();
    CHECK(bench.standing().size() == 5);
    actor.end();
    CHECK(bench.standing() == Texts{});
    CHECK(objects_left(bench) == Texts{});
}

TEST_CASE("signals to a terminal's process group do not end the watcher") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) actor.signal_watcher(number);
    actor.kill();
    CHECK(all_clean_soon(bench));
}

TEST_CASE("reconcile leaves a living scan alone") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    CHECK(value(reconcile(bench.objects)).empty());
    CHECK(bench.standing().size() == 5);
    CHECK(objects_left(bench) == kAllObjects);
}

TEST_CASE("two concurrent reconciles of the same entries do no harm") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) { return everything(bench, guard); });
    actor.kill_with_watcher();
    const auto clean = [&](Guard&) -> Status {
        KSMS_TRY(const auto undone, reconcile(bench.objects));
        for (const auto& each : undone)
            if (!each.error.empty()) return fail(Code::failed, each.what + ": " + each.error);
        return {};
    };
    std::array<int, 2> gate{};
    REQUIRE(pipe2(gate.data(), O_CLOEXEC) == 0);
    Fd read_end(gate[0]), write_end(gate[1]);
    std::vector<pid_t> helpers;
    for (int i = 0; i < 2; ++i) {
        helpers.push_back(fork());
        if (helpers.back() != 0) continue;
        write_end.reset();
        char word = 0;
        [[maybe_unused]] const auto got = read(read_end.get(), &word, 1);
        auto guard = Guard::start(bench.objects);
        const auto done = guard ? clean(*guard) : Status(std::unexpected(guard.error()));
        if (!done) fmt::print(stderr, "{}\n", done.error().text());
        std::fflush(stderr);
        _exit(done ? 0 : 1);
    }
    write_end.reset();
    for (const pid_t helper : helpers) {
        int status = 0;
        waitpid(helper, &status, 0);
        CHECK(status == 0);
    }
    CHECK(bench.standing() == Texts{});
    CHECK(objects_left(bench) == Texts{});
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("the watcher holds none of the caller's pipes open") {
    const GuardBench bench;
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), 0) == 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    Actor actor(bench.objects, [](Guard& guard) { return guard.will(did_tap(18)); });
    actor.signal_watcher(SIGSTOP);
    writer.reset();
    actor.kill();
    // REQUIRE: reading a pipe that the watcher still holds open would block for ever.
    REQUIRE(readable(reader.get()));
    char word = 0;
    CHECK(read(reader.get(), &word, 1) == 0);
    actor.signal_watcher(SIGCONT);
    CHECK(actor.watcher_gone());
}

TEST_CASE("a tap's entry stays until the killed scan's link is gone") {
    const GuardBench bench;
    const auto& objects = bench.objects;
    const int program = objects.program(Program::tcx_ingress);
    if (program < 0) {
        WARN("SKIP: this kernel has no TCX");
        return;
    }
    Actor actor(objects, [&](Guard& guard) -> Status {
        KSMS_CHECK(guard.will(did_tap(19)));
        Fd link;
        KSMS_CHECK(in_netns(bench.netns, [&]() -> Status {
            KSMS_TRY(link, attach_tcx(program, bench.ifindex, KSMS_INGRESS));
            return {};
        }));
        ksms_tap tap{};
        KSMS_TRY(tap.link, link_id(link.get()));
        // A dying process closes its descriptors from the highest down: this one after the
        // socket that wakes the watcher.
        dup2(link.get(), STDIN_FILENO);
        return objects.taps.update(19, tap);
    });
    actor.kill();
    CHECK(actor.watcher_gone());
    CHECK_FALSE(value(objects.taps.lookup(19)));
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a process with threads gets no watcher") {
    SKIP_IF_SANITIZED();
    const GuardBench bench;
    Status started;
    lab::inside(bench.lab.netns("r1"), [&] {
        auto guard = Guard::start(bench.objects);
        if (!guard) started = std::unexpected(guard.error());
    });
    REQUIRE_FALSE(started);
    CHECK(started.error().message.find("more than one thread") != std::string::npos);
}
