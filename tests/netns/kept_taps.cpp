// SPDX-License-Identifier: BSD-2-Clause
// Taps kept by a process: scans use them and attach none; after a crash nothing is left.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "bpf/attach.hpp"
#include "guard_actor.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"
#include "scan/scan.hpp"
#include "taps/kept.hpp"
#include "taps/taps.hpp"

namespace {

using namespace ksms;
using namespace std::chrono_literals;
using namespace ksms::lab;
using Texts = std::vector<std::string>;

const Texts kAll{"src", "r1", "r2", "r3", "dst"};
constexpr std::size_t kChainTaps = 16;  // two on each of eight interfaces

/// The chain, and what is attached to its interfaces.
struct Bench {
    explicit Bench(const ChainOptions& options = {}) {
        build_chain(lab, options);
        objects = value(Objects::open(PinRoot{lab.pin_root()}));
    }

    [[nodiscard]] Netns netns(const std::string& node) const {
        return value(Netns::open(lab.netns(node)));
    }

    /// "r1 eth0 ingress link 17", "r1 eth0 clsact": as the kernel reports it.
    [[nodiscard]] Texts standing(const Texts& nodes = kAll) const {
        Texts found;
        for (const auto& node : nodes) {
            const auto where = netns(node);
            auto netlink = value(Netlink::open(where));
            const auto all = value(links(netlink));
            for (const auto& qdisc : value(qdiscs(netlink)))
                if (qdisc.kind == "clsact")
                    found.push_back(fmt::format("{} {} clsact", node, qdisc.ifindex));
            ok(in_netns(where, [&]() -> Status {
                for (const auto& link : all)
                    for (const auto direction : {KSMS_INGRESS, KSMS_EGRESS}) {
                        KSMS_TRY(const auto ids, tcx_links(link.ifindex, direction));
                        for (const auto id : ids)
                            found.push_back(
                                fmt::format("{} {} {} link {}", node, link.name,
                                            direction == KSMS_INGRESS ? "ingress" : "egress", id));
                    }
                return {};
            }));
        }
        return found;
    }

    [[nodiscard]] std::size_t entries() const { return value(list_taps(objects)).size(); }
    [[nodiscard]] std::size_t journal() const {
        std::size_t count = 0;
        ok(objects.journal.for_each([&](const auto&, const auto&) { ++count; }));
        return count;
    }
    [[nodiscard]] bool nothing_soon() const {
        return eventually([&] { return standing().empty() && entries() == 0 && journal() == 0; });
    }
    /// True when a running scan has counted some probes.
    [[nodiscard]] bool counts_soon() const {
        return eventually([&] {
            const auto rows = value(list_taps(objects));
            return objects.config.values()[0].active_scans != 0 &&
                   std::ranges::any_of(rows, [](const TapRow& row) { return row.tap.own > 0; });
        });
    }

    Lab lab;
    Objects objects;
};

/// Keeps taps in this process.
struct Keeping {
    explicit Keeping(const Bench& of, KeptLimits limits = {})
        : bench(of),
          guard(value(Guard::start(of.objects))),
          taps(std::make_unique<KeptTaps>(of.objects, guard, limits)) {}

    std::size_t keep(const Texts& nodes) const {
        std::size_t added = 0;
        for (const auto& node : nodes) added += value(taps->keep(bench.netns(node)));
        return added;
    }

    const Bench& bench;
    Guard guard;
    std::unique_ptr<KeptTaps> taps;
};

/// Keeps taps in another process until it is killed.
Actor::Deeds keeper(const Bench& bench, const Texts& nodes) {
    return [&bench, nodes](Guard& guard) -> Status {
        auto* taps = new KeptTaps(bench.objects, guard);
        for (const auto& node : nodes) {
            KSMS_TRY(const auto netns, Netns::open(bench.lab.netns(node)));
            KSMS_TRY([[maybe_unused]] const auto added, taps->keep(netns));
        }
        return {};
    };
}

Command chain_scan(const Lab& lab, int family, const Texts& more,
                   const Environment& environment = {}) {
    return ksmsctl(lab,
                   scan_arguments(chain_source(lab, family), chain_destination(lab, family),
                                  chain_ports(), more),
                   environment);
}

/// Slow enough for events during the scan.
const Texts kSlow{"--rate", "40"};

/// Verdicts equal those of plain packets, and each probe counted once.
void check_chain(const Scan& result, const std::vector<int>& truth) {
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("unknown") == 0);
    const auto& services = chain_services();
    for (std::size_t i = 0; i < services.size(); ++i) {
        INFO(services[i].port << "/" << services[i].protocol << ": " << services[i].how);
        for (int at = 0; at <= std::min(truth[i], 2); ++at) {
            const auto& router = kRouters[static_cast<std::size_t>(at)];
            CHECK(result.verdict(router, services[i].protocol, services[i].port) ==
                  (at < truth[i] ? "YES" : "NO"));
        }
        CHECK(result.at("r1", services[i].protocol, services[i].port)["ingress"]["packets"] == 1);
    }
}

std::vector<int> truth_of(const Bench& bench) {
    return observe_chain(bench.lab, 4, chain_services());
}

}  // namespace

TEST_CASE("kept taps: scans use them, attach none, and agree with plain packets") {
    const Bench bench;
    const Keeping keeping(bench);
    CHECK(keeping.keep(kAll) == kChainTaps);
    CHECK(keeping.taps->size() == kChainTaps);
    CHECK(keeping.taps->routers() == kAll.size());
    const auto before = bench.standing();
    REQUIRE(before.size() == kChainTaps);
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const auto truth = observe_chain(bench.lab, family, chain_services());
        Child child(chain_scan(bench.lab, family, kSlow));
        REQUIRE(bench.counts_soon());
        CHECK(bench.standing() == before);
        CHECK(bench.entries() == kChainTaps);
        check_chain(Scan(bench.lab, child.wait()), truth);
        CHECK(bench.standing() == before);
        CHECK(bench.journal() == kChainTaps);
    }
    const auto listed = run(ksmsctl(bench.lab, {"tap", "list"}));
    CHECK(listed.out.find(fmt::format("kept by pid {}", getpid())) != std::string::npos);
}

TEST_CASE("kept taps: after their release nothing is left") {
    const Bench bench;
    Keeping keeping(bench);
    CHECK(keeping.keep(kAll) == kChainTaps);
    CHECK(value(keeping.taps->release(bench.netns("r2").inode())) == 4);
    CHECK(bench.standing({"r2"}).empty());
    CHECK(value(keeping.taps->release(bench.netns("r2").inode())) == 0);
    keeping.taps.reset();
    CHECK(bench.standing() == Texts{});
    CHECK(bench.entries() == 0);
    CHECK(bench.journal() == 0);
}

TEST_CASE("kept taps: let go while somebody lists the links, nothing is left") {
    const Bench bench;
    Keeping keeping(bench);
    CHECK(keeping.keep({"r1", "r2"}) == 8);
    std::vector<Fd> looked_at;
    for (const auto& row : value(list_taps(bench.objects)))
        looked_at.push_back(value(link_by_id(row.tap.link)));
    std::thread onlooker([&] {
        // Until the keeper waits for the links of one router.
        eventually([&] {
            int leaving = 0;
            ok(bench.objects.journal.for_each(
                [&](const auto&, const auto& entry) { leaving += entry.leaving; }));
            return leaving == 4 || bench.journal() == 0;
        });
        looked_at.clear();
    });
    keeping.taps.reset();
    onlooker.join();
    CHECK(bench.standing() == Texts{});
    CHECK(bench.entries() == 0);
    CHECK(bench.journal() == 0);
}

TEST_CASE("kept taps: kill -9 of the keeper during a scan: right verdicts, nothing left") {
    const Bench bench;
    const auto truth = truth_of(bench);
    const bool watcher_too = GENERATE(false, true);
    INFO((watcher_too ? "with its watcher" : "alone"));
    Actor holder(bench.objects, keeper(bench, kRouters));
    const auto before = bench.standing(kRouters);
    REQUIRE(before.size() == 12);
    Child child(chain_scan(bench.lab, 4, kSlow));
    REQUIRE(bench.counts_soon());
    watcher_too ? holder.kill_with_watcher() : holder.kill();
    CHECK(bench.standing(kRouters) == before);
    check_chain(Scan(bench.lab, child.wait()), truth);
    CHECK(bench.standing() == Texts{});
    // The scan was the last holder.
    CHECK(bench.entries() == 0);
    if (watcher_too) value(reconcile(bench.objects));
    CHECK(bench.nothing_soon());
}

TEST_CASE("kept taps: keeper and watcher killed: the next command removes the entries") {
    const Bench bench;
    Actor holder(bench.objects, keeper(bench, kRouters));
    REQUIRE(bench.entries() == 12);
    holder.kill_with_watcher();
    CHECK(bench.standing() == Texts{});
    CHECK(bench.entries() == 12);
    CHECK(run(ksmsctl(bench.lab, {"gc"})).exit == 0);
    CHECK(bench.entries() == 0);
    CHECK(bench.journal() == 0);
}

TEST_CASE("kept taps: idempotent, and interfaces are added, removed, and reuse an ifindex") {
    const Bench bench;
    const auto truth = truth_of(bench);
    const Keeping keeping(bench);
    CHECK(keeping.keep({"r1"}) == 4);
    const auto first = bench.standing({"r1"});
    CHECK(keeping.keep({"r1"}) == 0);
    CHECK(bench.standing({"r1"}) == first);
    const std::string pair = "link add x0 index 77 type veth peer name x1 index 78";
    bench.lab.ip("r1", {pair});
    CHECK(keeping.keep({"r1"}) == 4);
    CHECK(keeping.taps->size() == 8);
    bench.lab.ip("r1", {"link del x0", pair});
    CHECK(bench.standing({"r1"}) == first);
    // Its descriptors are still open, and their entries have these ifindexes.
    const Scan result(bench.lab, run(chain_scan(bench.lab, 4, {})));
    check_chain(result, truth);
    CHECK(result.text().find("detached") == std::string::npos);
    CHECK(keeping.keep({"r1"}) == 4);
    CHECK(keeping.taps->size() == 8);
    bench.lab.ip("r1", {"link del x0"});
    CHECK(keeping.keep({"r1"}) == 0);
    CHECK(keeping.taps->size() == 4);
    CHECK(bench.standing({"r1"}) == first);
    CHECK(bench.entries() == 4);
}

TEST_CASE("kept taps: a namespace is deleted and created again with the same name") {
    Bench bench;
    const Keeping keeping(bench);
    bench.lab.router("r9");
    bench.lab.ip("r9", {"link add x0 type veth peer name x1"});
    CHECK(keeping.keep({"r1", "r9"}) == 8);
    bench.lab.remove("r9");
    CHECK(eventually([&] { return value(keeping.taps->release_idle(monotonic())) == 4; }));
    CHECK(keeping.taps->size() == 4);
    CHECK(bench.entries() == 4);
    bench.lab.router("r9");
    bench.lab.ip("r9", {"link add x0 type veth peer name x1"});
    CHECK(keeping.keep({"r9"}) == 4);
    CHECK(bench.standing({"r9"}).size() == 4);
}

TEST_CASE("kept taps: two keepers hold the same links, and either may exit") {
    const Bench bench;
    const auto truth = truth_of(bench);
    Actor other(bench.objects, keeper(bench, kAll));
    const auto before = bench.standing();
    Keeping keeping(bench);
    CHECK(keeping.keep(kAll) == kChainTaps);
    CHECK(bench.standing() == before);
    CHECK(bench.entries() == kChainTaps);
    other.kill();
    CHECK(other.watcher_gone());
    CHECK(bench.standing() == before);
    CHECK(keeping.keep(kAll) == 0);
    for (const auto& row : value(list_taps(bench.objects)))
        CHECK(row.tap.owner_pid == static_cast<std::uint32_t>(getpid()));
    check_chain(Scan(bench.lab, run(chain_scan(bench.lab, 4, {}))), truth);
    CHECK(bench.standing() == before);
    keeping.taps.reset();
    CHECK(bench.nothing_soon());
}

TEST_CASE("kept taps: attached during a scan, which goes on with its own taps") {
    const Bench bench;
    const auto truth = truth_of(bench);
    const std::string way = GENERATE("clsact", "tcx");
    INFO(way);
    Keeping keeping(bench);
    Child child(chain_scan(bench.lab, 4, kSlow, {{"KSMS_ATTACH", way}}));
    REQUIRE(bench.counts_soon());
    CHECK(keeping.keep(kAll) == kChainTaps);
    const Scan result(bench.lab, child.wait());
    check_chain(result, truth);
    CHECK(bench.standing().size() == kChainTaps);
    CHECK(bench.entries() == kChainTaps);
    for (const auto& row : value(list_taps(bench.objects))) CHECK(row.standing);
    check_chain(Scan(bench.lab, run(chain_scan(bench.lab, 4, {}))), truth);
    keeping.taps.reset();
    CHECK(bench.nothing_soon());
}

TEST_CASE("kept taps: `tap attach` makes them stay, `tap detach` frees the place") {
    const Bench bench;
    Keeping keeping(bench);
    const auto r1 = bench.lab.netns("r1");
    CHECK(keeping.keep({"r1"}) == 4);
    const auto kept = bench.standing({"r1"});
    CHECK(run(ksmsctl(bench.lab, {"tap", "detach", r1})).exit == 0);
    CHECK(bench.standing({"r1"}) == kept);
    CHECK(run(ksmsctl(bench.lab, {"tap", "attach", r1})).out == r1 + ": 4 taps attached\n");
    CHECK(value(keeping.taps->release(bench.netns("r1").inode())) == 4);
    CHECK(bench.standing({"r1"}) == kept);
    CHECK(keeping.keep({"r1"}) == 4);
    CHECK(bench.standing({"r1"}) == kept);
    CHECK(run(ksmsctl(bench.lab, {"tap", "detach", r1})).exit == 0);
    CHECK(bench.standing({"r1"}) == Texts{});
    CHECK(keeping.keep({"r1"}) == 4);
    CHECK(bench.standing({"r1"}).size() == 4);
    keeping.taps.reset();
    CHECK(bench.nothing_soon());
}

TEST_CASE("kept taps: limits are kept, the least recently used go first") {
    const Bench bench;
    const Keeping two(bench, {.routers = 2, .taps = 8});
    CHECK(two.keep({"r1", "r2", "r1", "r3"}) == 12);
    CHECK(two.taps->routers() == 2);
    CHECK(bench.standing({"r2"}).empty());
    CHECK(bench.standing({"r1", "r3"}).size() == 8);
    bench.lab.ip("r1", {"link add x0 type veth peer name x1"});
    CHECK(two.keep({"r1"}) == 4);
    CHECK(two.taps->size() == 8);
    CHECK(bench.standing({"r3"}).empty());
    bench.lab.ip("r1", {"link add x2 type veth peer name x3"});
    CHECK_FALSE(two.taps->keep(bench.netns("r1")));
    CHECK(value(two.taps->release_idle(monotonic())) == 0);
    CHECK(value(two.taps->release_idle(monotonic() + 10min)) == 8);
    CHECK(bench.nothing_soon());
}

TEST_CASE("kept taps: attached when the plan is known, before the scan looks for taps") {
    const Bench bench;
    const Keeping keeping(bench);
    ScanRequest request;
    request.source = value(Address::parse(chain_source(bench.lab, 4)));
    request.destination = value(Address::parse(chain_destination(bench.lab, 4)));
    request.services = {{6, 22}};
    ScanHooks hooks;
    hooks.planned = [&](const Plan& plan, const Network& network) -> Status {
        for (const auto& router : plan.routers) {
            KSMS_TRY([[maybe_unused]] const auto added,
                     keeping.taps->keep(network.netns(router.netns.number())));
        }
        return {};
    };
    Texts armed;
    hooks.armed = [&](const ArmedScan&) -> Status {
        armed = bench.standing(kRouters);
        return {};
    };
    const auto report = run_scan(PinRoot{bench.lab.pin_root()}, request, hooks);
    REQUIRE(report);
    CHECK(keeping.taps->routers() == kRouters.size());
    CHECK(armed == bench.standing(kRouters));
    CHECK(armed.size() == 12);
    hooks.planned = [](const Plan&, const Network&) -> Status {
        return fail(Code::failed, "not now");
    };
    CHECK(run_scan(PinRoot{bench.lab.pin_root()}, request, hooks).error().text() == "not now");
    CHECK(bench.standing() == armed);
}
