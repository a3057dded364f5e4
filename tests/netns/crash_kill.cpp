// SPDX-License-Identifier: BSD-2-Clause
// kill -9 at twenty moments of a scan: one second later nothing of it is left.
#include <fmt/format.h>
#include <signal.h>

#include <catch2/catch.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

constexpr int kMoments = 20;
// The first half fall into the first 60 ms (plan, lease, taps, neighbours), the rest into
// the second in which the probes are sent.
milliseconds moment(int number) {
    return number < 10 ? milliseconds{number * 6} : milliseconds{60 + (number - 10) * 100};
}

std::vector<std::string> busy_scan(const Lab& lab, int number) {
    const int family = number % 2 == 0 ? 4 : 6;
    return scan_arguments(chain_source(lab, family), chain_destination(lab, family),
                          "22,25,8000-8999",
                          {"--rate", "900", "--tap", number % 3 == 0 ? "xdp" : "tc", "-o",
                           lab.directory() + "/result.json"});
}

void prepare(Lab& lab) {
    build_chain(lab, {.destination = false});
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
}

void check_kills(const std::string& attach) {
    Lab lab;
    prepare(lab);
    const auto before = quick_state(lab);
    for (int number = 0; number < kMoments; ++number) {
        INFO("killed after " << moment(number).count() << " ms, " << attach);
        Child child(ksmsctl(lab, busy_scan(lab, number), {{"KSMS_ATTACH", attach}}));
        child.ended(moment(number));
        child.signal(SIGKILL);
        REQUIRE(child.wait().exit == 128 + SIGKILL);
        CHECK(left_after(lab, before) == "");
    }
}

TEST_CASE("crash: kill -9 at twenty moments, clsact taps") {
    check_kills("clsact");
}

TEST_CASE("crash: kill -9 at twenty moments, TCX taps") {
    check_kills("tcx");
}

/// Kills the watcher with the scan, then runs `next`.
void check_kills_of_all(const std::function<void(const Lab&)>& next, const std::string& attach) {
    Lab lab;
    prepare(lab);
    const auto before = quick_state(lab);
    for (int number = 0; number < kMoments; ++number) {
        INFO("killed after " << moment(number).count() << " ms, " << attach);
        Child child(ksmsctl(lab, busy_scan(lab, number), {{"KSMS_ATTACH", attach}}));
        child.ended(moment(number));
        child.signal(SIGSTOP);
        for (const auto watcher : child.children()) ::kill(watcher, SIGKILL);
        child.signal(SIGKILL);
        REQUIRE(child.wait().exit == 128 + SIGKILL);
        next(lab);
        CHECK(left_after(lab, before) == "");
    }
}

TEST_CASE("crash: kill -9 of scan and watcher at twenty moments, then ksmsctl gc") {
    check_kills_of_all(
        [](const Lab& lab) {
            const auto gc = run(ksmsctl(lab, {"gc"}));
            INFO(gc.out << gc.err);
            CHECK(gc.exit == 0);
        },
        "clsact");
}

TEST_CASE("crash: kill -9 of scan and watcher at twenty moments, then another scan") {
    check_kills_of_all(
        [](const Lab& lab) {
            const auto result =
                scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports());
            INFO(result.text());
            CHECK(result.exit() == 0);
            CHECK(result.count("unknown") == 0);
        },
        "tcx");
}

TEST_CASE("crash: gc leaves what other programs own alone") {
    Lab lab;
    prepare(lab);
    lab.in("r1", {"tc", "qdisc", "add", "dev", "eth0", "clsact"});
    lab.in("r1", {"tc", "filter", "add", "dev", "eth0", "ingress", "prio", "7", "bpf", "da",
                  "bytecode", "1,6 0 0 4294967295,"});
    lab.ip("r3", {"neigh add " + lab.address(4, 4, 5) +
                  " lladdr 02:00:00:00:00:99 nud permanent dev eth1"});
    const auto before = full_state(lab);
    Child child(ksmsctl(lab, busy_scan(lab, 2)));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    child.signal(SIGSTOP);
    for (const auto watcher : child.children()) ::kill(watcher, SIGKILL);
    child.signal(SIGKILL);
    child.wait();
    CHECK(run(ksmsctl(lab, {"gc"})).exit == 0);
    CHECK(difference(before, full_state(lab)) == "");
}

TEST_CASE("crash: gc removes nothing of a running scan") {
    Lab lab;
    build_chain(lab);
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "22,25,8000-8299", {"--rate", "100"})));
    int collected = 0;
    while (!child.ended(milliseconds{20})) {
        CHECK(run(ksmsctl(lab, {"gc"})).exit == 0);
        ++collected;
    }
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK(collected > 0);
    CHECK(result.exit() == 0);
    CHECK(result.count("unknown") == 0);
    CHECK(result.verdict("r2", "tcp", 25) == "NO");
}

}  // namespace
