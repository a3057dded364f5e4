// SPDX-License-Identifier: BSD-2-Clause
// What the predecessor did to the machine; the numbers are those of tests/README.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

/// The first scan under a pin root installs the programs; the states are compared from then on.
void warm_up(const Lab& lab) {
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
}

/// A zombie that nobody has reaped yet has no program any more.
bool runs(pid_t pid) {
    std::error_code ignored;
    return !std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), ignored).empty();
}

TEST_CASE("failure 10: others reach the same link while a destination without a host is probed") {
    Lab lab;
    build_chain(lab, {.destination = false, .firewalls = false});
    // A neighbour of the missing destination, on the same link.
    const auto other = lab.address(4, 4, 3);
    lab.ip("dst",
           {"addr add " + other + "/29 dev eth0", "route add default via " + lab.address(4, 4, 1)});
    // Creating a clsact can drop a packet of theirs where they paused for 3 ms (docs/design.md,
    // Taps).
    const auto add_clsact = [&](const char* node, const char* interface) {
        lab.in(node, {"tc", "qdisc", "add", "dev", interface, "clsact"});
    };
    add_clsact("src", "eth1");
    add_clsact("dst", "eth0");
    for (const auto& router : kRouters) {
        add_clsact(router.c_str(), "eth0");
        add_clsact(router.c_str(), "eth1");
    }
    const auto listening = listen_in(lab.netns("dst"), other, "tcp", 80);
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "8000-8199", {"--rate", "100"})));
    int connections = 0;
    while (!child.ended(milliseconds{1})) {
        REQUIRE(connects(lab.netns("src"), other, 80));
        ++connections;
    }
    CHECK(connections > 0);
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK(result.count("yes") == 200);
}

TEST_CASE("failure 10: a missing gateway is never faked, and is used when it appears") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto gateway = lab.address(4, 3, 2);
    lab.ip("r3", {"link set eth0 arp off"});
    lab.ip("r2", {"neigh flush dev eth1"});
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "22-221", {"--rate", "400"})));
    while (!child.ended(milliseconds{10})) {
        const auto shown = lab.in("r2", {"ip", "neigh", "show", gateway});
        INFO(shown);
        REQUIRE(shown.find("02:6b:73:6d") == std::string::npos);
        REQUIRE(shown.find("PERMANENT") == std::string::npos);
    }
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK(result.verdict("r1", "tcp", 22) == "YES");
    CHECK(result.verdict("r2", "tcp", 22) == "UNKNOWN");
    CHECK(result.has_note("r2", "tcp", 22, "next-hop-missing"));
    CHECK(result.exit() == 1);
    const auto listening = listen_in(lab.netns("dst"), chain_destination(lab, 4), "tcp", 80);
    lab.ip("r3", {"link set eth0 arp on"});
    lab.ip("r2", {"neigh flush dev eth1 nud all"});
    CHECK(eventually([&] { return connects(lab.netns("src"), chain_destination(lab, 4), 80); }));
}

TEST_CASE("failure 11: a normal end leaves everything as it was") {
    for (const char* attach : {"clsact", "tcx"}) {
        for (const bool destination : {true, false}) {
            Lab lab;
            build_chain(lab, {.destination = destination});
            // Somebody else's: a clsact with a filter (it hands on, TC_ACT_UNSPEC), a root qdisc.
            lab.in("r1", {"tc", "qdisc", "add", "dev", "eth0", "clsact"});
            lab.in("r1", {"tc", "filter", "add", "dev", "eth0", "ingress", "prio", "1", "bpf", "da",
                          "bytecode", "1,6 0 0 4294967295,"});
            lab.in("r2", {"tc", "qdisc", "add", "dev", "eth1", "clsact"});
            lab.in("r3", {"tc", "qdisc", "add", "dev", "eth1", "root", "pfifo", "limit", "500"});
            warm_up(lab);
            const auto before = full_state(lab);
            for (const int family : {4, 6}) {
                for (const char* tap : {"tc", "xdp"}) {
                    const auto result =
                        scan(lab, chain_source(lab, family), chain_destination(lab, family),
                             chain_ports(), {"--tap", tap}, {{"KSMS_ATTACH", attach}});
                    INFO("IPv" << family << " " << attach << " " << tap << "\n" << result.text());
                    CHECK(result.exit() == 0);
                    CHECK(result.count("unknown") == 0);
                }
            }
            INFO(attach);
            CHECK(difference(before, full_state(lab)) == "");
        }
    }
}

TEST_CASE("failure 12: kill -9 leaves no rule, neighbour, lease, file or child") {
    Lab lab;
    build_chain(lab, {.destination = false});
    warm_up(lab);
    const auto before = full_state(lab), quick_before = quick_state(lab);
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "22,8000-8999", {"--rate", "50"})));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    const auto children = child.children();
    child.signal(SIGKILL);
    CHECK(child.wait().exit == 128 + SIGKILL);
    CHECK(left_after(lab, quick_before) == "");
    CHECK(difference(before, full_state(lab)) == "");
    for (const auto pid : children) CHECK(eventually([&] { return !runs(pid); }));
}

TEST_CASE("failure 13: a stopped scan blocks nobody") {
    Lab lab;
    build_chain(lab);
    warm_up(lab);
    Child stopped(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                              "22,8000-8999", {"--rate", "50"})));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    stopped.signal(SIGSTOP);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports());
    stopped.signal(SIGCONT);
    INFO(result.text());
    CHECK(result.exit() == 0);
    CHECK(result.count("unknown") == 0);
    stopped.signal(SIGINT);
    CHECK(stopped.wait().exit == 130);
}

TEST_CASE("failure 13: a dead scan costs the next one nothing") {
    Lab lab;
    build_chain(lab);
    warm_up(lab);
    Child killed(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                             "22,8000-8999", {"--rate", "50"})));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    killed.signal(SIGKILL);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports());
    INFO(result.text());
    CHECK(result.exit() == 0);
}

TEST_CASE("failure 13: the lock of iptables is neither taken nor waited for") {
    Lab lab;
    build_chain(lab);
    warm_up(lab);
    const auto file = lab.directory() + "/held";
    const ksms::Fd lock(::open(file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::flock(lock.get(), LOCK_EX) == 0);
    // In a mount namespace of its own: the machine's is everybody's.
    const auto held = [&](Command command) {
        const std::vector<std::string> shell{
            "unshare",
            "--mount",
            "--propagation",
            mount_propagation(),
            "sh",
            "-euc",
            "touch /run/xtables.lock; mount --bind " + file + " /run/xtables.lock; exec \"$@\"",
            "sh"};
        command.arguments.insert(command.arguments.begin(), shell.begin(), shell.end());
        command.environment["XTABLES_LOCKFILE"] = "";
        return run(command);
    };
    REQUIRE(
        held({.arguments = {"iptables-legacy", "-w", "1", "-nL"}, .netns = lab.netns("r1")}).exit ==
        4);
    const Scan result(
        lab, held(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                              chain_ports()))));
    INFO(result.text());
    CHECK(result.exit() == 0);
}

TEST_CASE("failure 14: routes and rules stay as they are while a scan runs") {
    Lab lab;
    build_chain(lab, {.destination = false});
    warm_up(lab);
    const auto routes = [&] {
        std::string all;
        for (const auto& node : lab.nodes())
            for (const char* family : {"-4", "-6"})
                all += lab.in(node, {"ip", family, "route", "show", "table", "all"}) +
                       lab.in(node, {"ip", family, "rule", "show"}) +
                       lab.in(node, {"ip", family, "-o", "addr", "show"});
        return all;
    };
    const auto before = routes();
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "22,8000-8199", {"--rate", "300"})));
    while (!child.ended(milliseconds{1})) REQUIRE(routes() == before);
    CHECK(child.wait().exit == 0);
    CHECK(routes() == before);
}

}  // namespace
