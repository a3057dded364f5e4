// SPDX-License-Identifier: BSD-2-Clause
// Taps on links: whoever lists the links of the machine holds each of them for a moment, and the
// entry of a tap goes all the same when the last of its users does.
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "bpf/attach.hpp"
#include "guard_actor.hpp"
#include "lab/wait.hpp"

namespace {

using namespace ksms;
using namespace ksms::lab;

constexpr std::uint32_t kId = 19;

bool has_tcx(const GuardBench& bench) {
    if (bench.objects.program(Program::tcx_ingress) >= 0) return true;
    WARN("SKIP: this kernel has no TCX");
    return false;
}

/// As a scan attaches a link and enters its tap.
Result<Fd> attach(const GuardBench& bench, Guard& guard) {
    Fd link;
    KSMS_CHECK(in_netns(bench.netns, [&]() -> Status {
        KSMS_TRY(link, attach_tcx(bench.objects.program(Program::tcx_ingress), bench.ifindex,
                                  KSMS_INGRESS));
        return {};
    }));
    KSMS_CHECK(guard.will(did_tap(kId)));
    ksms_tap tap{};
    KSMS_TRY(tap.link, link_id(link.get()));
    tap.owner_pid = static_cast<std::uint32_t>(getpid());
    KSMS_CHECK(bench.objects.taps.update(kId, tap));
    return link;
}

/// A second hold: of another user of the tap, or of `bpftool link`.
Fd second_hold(const GuardBench& bench) {
    return value(link_by_id(value(bench.objects.taps.lookup(kId))->link));
}

bool is_entered(const GuardBench& bench) {
    return value(bench.objects.taps.lookup(kId)).has_value();
}

/// How many who let the tap go wait for the end of its link.
int leaving(const GuardBench& bench) {
    int count = 0;
    ok(bench.objects.journal.for_each(
        [&](const auto&, const ksms_journal_entry& entry) { count += entry.leaving; }));
    return count;
}

/// Undoes all of the guards at once; somebody who looks at the link goes when each of them has left
/// the tap to another or waits.
/// @return how many failed
std::size_t undo_beside(const GuardBench& bench, std::vector<Guard*> guards, Fd onlooker) {
    std::atomic<std::size_t> failed{0};
    std::atomic<int> over{0};
    std::vector<std::thread> threads;
    for (auto* guard : guards)
        threads.emplace_back([&, guard] {
            failed += guard->undo_all().size();
            ++over;
        });
    const auto all = static_cast<int>(guards.size());
    CHECK(eventually([&] { return leaving(bench) + over >= all; }));
    CHECK(over < all);
    onlooker.reset();
    for (auto& thread : threads) thread.join();
    return failed;
}

}  // namespace

TEST_CASE("a tap: who lets its link go waits for those who only look at it") {
    const GuardBench bench;
    if (!has_tcx(bench)) return;
    auto guard = value(Guard::start(bench.objects));
    auto link = value(attach(bench, guard));
    auto onlooker = second_hold(bench);
    link.reset();
    CHECK(undo_beside(bench, {&guard}, std::move(onlooker)) == 0);
    CHECK_FALSE(is_entered(bench));
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a tap: of two users who let it go together neither leaves it to the other") {
    const GuardBench bench;
    if (!has_tcx(bench)) return;
    auto guard = value(Guard::start(bench.objects));
    auto other = guard.another();
    auto link = value(attach(bench, guard));
    ok(other.will(did_tap(kId)));
    auto onlooker = second_hold(bench);
    link.reset();
    CHECK(undo_beside(bench, {&guard, &other}, std::move(onlooker)) == 0);
    CHECK_FALSE(is_entered(bench));
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a tap: its next user has it to take back, and nobody waits for him") {
    const GuardBench bench;
    if (!has_tcx(bench)) return;
    auto guard = value(Guard::start(bench.objects));
    auto other = guard.another();
    auto link = value(attach(bench, guard));
    ok(other.will(did_tap(kId)));
    CHECK(guard.undo_all().empty());
    CHECK(is_entered(bench));
    CHECK(bench.journal_entries() == 1);
    CHECK(leaving(bench) == 0);
    link.reset();
    CHECK(other.undo_all().empty());
    CHECK_FALSE(is_entered(bench));
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a tap: a link that a stranger keeps is reported, and taken back when he is gone") {
    const GuardBench bench;
    if (!has_tcx(bench)) return;
    auto guard = value(Guard::start(bench.objects));
    auto link = value(attach(bench, guard));
    const auto failures = guard.undo_all();
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].what == "tap 19");
    CHECK_THAT(failures[0].error, Catch::Contains("holds its link"));
    CHECK(is_entered(bench));
    CHECK(bench.journal_entries() == 1);
    link.reset();
    CHECK(guard.undo_all().empty());
    CHECK_FALSE(is_entered(bench));
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a tap: a pinned link's entry stays, and nobody waits for it") {
    const GuardBench bench;
    if (!has_tcx(bench)) return;
    auto guard = value(Guard::start(bench.objects));
    const auto link = value(attach(bench, guard));
    auto tap = *value(bench.objects.taps.lookup(kId));
    tap.owner_pid = 0;
    ok(bench.objects.taps.update(kId, tap));
    CHECK(guard.undo_all().empty());
    CHECK(is_entered(bench));
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a tap: the watcher of a killed scan waits for those who only look at its link") {
    const GuardBench bench;
    if (!has_tcx(bench)) return;
    Actor actor(bench.objects, [&](Guard& guard) -> Status {
        KSMS_TRY(auto link, attach(bench, guard));
        [[maybe_unused]] const int held = link.release();
        return {};
    });
    auto onlooker = second_hold(bench);
    actor.kill();
    CHECK(eventually([&] { return leaving(bench) == 1 || bench.journal_entries() == 0; }));
    CHECK(bench.journal_entries() == 1);
    onlooker.reset();
    CHECK(actor.watcher_gone());
    CHECK_FALSE(is_entered(bench));
    CHECK(bench.journal_entries() == 0);
}
