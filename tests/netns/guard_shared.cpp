// SPDX-License-Identifier: BSD-2-Clause
// Foreign objects stay, and concurrent scans leave each other's objects alone.
#include <catch2/catch.hpp>

#include "guard_actor.hpp"
#include "lab/wait.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

using Texts = std::vector<std::string>;

Actor::Deeds tap(const GuardBench& bench, std::uint8_t dscp, bool creates) {
    return [&bench, dscp, creates](Guard& guard) -> Status {
        if (creates) KSMS_CHECK(bench.add_qdisc(guard));
        return bench.add_filter(guard, KSMS_INGRESS, dscp);
    };
}

}  // namespace

TEST_CASE("another program's filter keeps its place, and its clsact stays") {
    const GuardBench bench;
    Actor actor(bench.objects, tap(bench, 32, true));
    bench.add_foreign_filter(7, 1);
    const auto with_both = bench.standing();
    REQUIRE(with_both.size() == 3);
    SECTION("after a normal end") {
        actor.end();
    }
    SECTION("after kill -9") {
        actor.kill();
    }
    REQUIRE(eventually([&] { return bench.standing().size() == 2; }));
    CHECK(bench.standing() == Texts{"clsact", "ingress 1 theirs"});
    CHECK(actor.watcher_gone());
    // The qdisc is still ours: the next command removes it after the other filter is gone.
    CHECK(value(reconcile(bench.objects)).empty());
    CHECK(bench.standing().size() == 2);
    bench.tc({"filter", "del", "dev", "eth0", "ingress", "prio", "7"});
    CHECK(value(reconcile(bench.objects)).size() == 1);
    CHECK(bench.standing() == Texts{});
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("a clsact that existed before stays, empty as before") {
    const GuardBench bench;
    bench.tc({"qdisc", "add", "dev", "eth0", "clsact"});
    Actor actor(bench.objects, tap(bench, 32, false));
    SECTION("after a normal end") {
        actor.end();
    }
    SECTION("after kill -9") {
        actor.kill();
    }
    SECTION("after kill -9 of both") {
        actor.kill_with_watcher();
        CHECK(value(reconcile(bench.objects)).size() == 1);
    }
    CHECK(eventually([&] { return bench.journal_entries() == 0; }));
    CHECK(bench.standing() == Texts{"clsact"});
}

TEST_CASE("the last scan removes the clsact, whichever scan created it") {
    const GuardBench bench;
    Actor first(bench.objects, tap(bench, 32, true));
    Actor second(bench.objects, tap(bench, 33, false));
    SECTION("both end normally") {
        first.end();
        CHECK(bench.standing() == Texts{"clsact", "ingress 4b530021 ksms"});
        second.end();
    }
    SECTION("the first is killed") {
        first.kill();
        CHECK(first.watcher_gone());
        CHECK(bench.standing() == Texts{"clsact", "ingress 4b530021 ksms"});
        second.end();
    }
    SECTION("the second is killed") {
        first.end();
        second.kill();
        CHECK(second.watcher_gone());
    }
    SECTION("the one that made it is the last") {
        second.end();
        CHECK(bench.standing() == Texts{"clsact", "ingress 4b530020 ksms"});
        first.end();
    }
    SECTION("a command in between changes nothing") {
        first.end();
        CHECK(value(reconcile(bench.objects)).empty());
        CHECK(bench.standing() == Texts{"clsact", "ingress 4b530021 ksms"});
        second.end();
    }
    CHECK(bench.standing() == Texts{});
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("overlapping scans leave no clsact and lose no filter") {
    const GuardBench bench;
    for (int round = 0; round < 10; ++round) {
        std::vector<std::unique_ptr<Actor>> actors;
        for (std::uint8_t dscp = 32; dscp < 36; ++dscp)
            actors.push_back(
                std::make_unique<Actor>(bench.objects, [&, dscp](Guard& guard) -> Status {
                    KSMS_CHECK(guard.enter(bench.netns));
                    if (const auto made = bench.add_qdisc(guard); !made) {
                        if (made.error().err != EEXIST) return made;
                        KSMS_CHECK(guard.forget(did_qdisc(bench.netns, bench.ifindex)));
                    }
                    return bench.add_filter(guard, KSMS_INGRESS, dscp);
                }));
        CHECK(bench.standing().size() == 5);
        for (auto& actor : actors) actor->let_go();
        actors.clear();
        REQUIRE(bench.standing() == Texts{});
        REQUIRE(bench.journal_entries() == 0);
    }
}

TEST_CASE("a qdisc that another program created first is not removed") {
    const GuardBench bench;
    bench.tc({"qdisc", "add", "dev", "eth0", "clsact"});
    Actor actor(bench.objects, [&](Guard& guard) -> Status {
        const auto made = bench.add_qdisc(guard);
        if (made || made.error().err != EEXIST) return fail(Code::failed, "it should be there");
        return guard.forget(did_qdisc(bench.netns, bench.ifindex));
    });
    CHECK(bench.journal_entries() == 0);
    actor.end();
    CHECK(bench.standing() == Texts{"clsact"});
}

TEST_CASE("a filter with our handle but another name is not ours") {
    const GuardBench bench;
    Actor actor(bench.objects, [&](Guard& guard) -> Status {
        KSMS_CHECK(bench.add_qdisc(guard));
        const auto handle = filter_handle(KSMS_INGRESS, 32);
        KSMS_CHECK(guard.will(did_filter(bench.netns, bench.ifindex, KSMS_INGRESS, 40000, handle)));
        bench.add_foreign_filter(40000, handle);
        return {};
    });
    actor.end();
    CHECK(bench.standing() == Texts{"clsact", "ingress 4b530020 theirs"});
}

TEST_CASE("a temporary neighbour that became a real one stays") {
    const GuardBench bench;
    const auto address = bench.lab.address(4, 0, 6);
    Actor actor(bench.objects, [&](Guard& guard) -> Status {
        KSMS_TRY(const auto parsed, Address::parse(address));
        return bench.add_neighbour(guard, parsed, 32);
    });
    bench.lab.ip("r1", {"neigh replace " + address + " lladdr 02:00:00:00:00:99 dev eth0"});
    SECTION("after a normal end") {
        actor.end();
    }
    SECTION("after kill -9") {
        actor.kill();
    }
    CHECK(actor.watcher_gone());
    CHECK(bench.journal_entries() == 0);
    const auto shown = bench.lab.in("r1", {"ip", "neigh", "show", address});
    CHECK(shown.find("02:00:00:00:00:99") != std::string::npos);
}

TEST_CASE("a deleted namespace leaves an empty journal") {
    GuardBench bench;
    Actor actor(bench.objects, tap(bench, 32, true));
    bench.netns = Netns();
    bench.lab.remove("r1");
    SECTION("after a normal end") {
        actor.end();
    }
    SECTION("after kill -9") {
        actor.kill();
    }
    SECTION("after kill -9 of both") {
        actor.kill_with_watcher();
        for (const auto& undone : value(reconcile(bench.objects))) CHECK(undone.error == "");
    }
    CHECK(eventually([&] { return bench.journal_entries() == 0; }));
}

TEST_CASE("a deleted interface leaves an empty journal") {
    const GuardBench bench;
    Actor actor(bench.objects, tap(bench, 32, true));
    bench.lab.ip("r1", {"link del eth0"});
    actor.end();
    CHECK(bench.journal_entries() == 0);
}

TEST_CASE("the slot of the next scan with the same DSCP is not cleared") {
    const GuardBench bench;
    const auto& objects = bench.objects;
    Actor actor(objects, [](Guard& guard) { return guard.will(did_scan(32, 1)); });
    ok(objects.services.update({32, 6, 80}, {0}));
    ksms_scan successor{};
    successor.active = 1;
    successor.owner_pid = 1;
    SECTION("under a new lease") {
        successor.generation = 2;
        ok(begin_scan(objects, 32, successor));
    }
    SECTION("under the same lease, which is held by a job of several scans") {
        successor.generation = 1;
        ok(begin_scan(objects, 32, successor));
    }
    SECTION("that has the lease and has not begun") {
        ksms_lease lease{};
        lease.state = 2ull << 8 | KSMS_LEASE_HELD;
        lease.owner_pid = 1;
        ok(objects.registry.leases.update(32, lease));
    }
    actor.kill();
    CHECK(actor.watcher_gone());
    CHECK(bench.journal_entries() == 0);
    CHECK(value(objects.services.lookup({32, 6, 80})));
    CHECK(value(objects.scans.lookup(32))->generation == successor.generation);
}

TEST_CASE("a qdisc or filter is claimed only in a namespace that was entered") {
    const GuardBench bench;
    CHECK_THROWS_WITH(
        Actor(bench.objects, [&](Guard& guard) { return guard.will(did_qdisc(bench.netns, 1)); }),
        Catch::Contains("was not entered"));
    CHECK(bench.journal_entries() == 0);
}
