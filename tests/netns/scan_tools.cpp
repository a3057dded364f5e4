// SPDX-License-Identifier: BSD-2-Clause
// The other commands besides scan.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

json document_of(const Outcome& outcome) {
    return json::parse(outcome.out, nullptr, false);
}

TEST_CASE("registry: 64 concurrent allocations never share a DSCP") {
    const Lab lab;
    REQUIRE(run(ksmsctl(lab, {"registry", "list"})).exit == 0);
    std::vector<std::unique_ptr<Child>> children;
    for (int number = 0; number < 64; ++number)
        children.push_back(std::make_unique<Child>(
            ksmsctl(lab, {"registry", "allocate", "--job", fmt::format("job-{}", number),
                          "--no-owner", "--ttl", "300", "--wait", "0"})));
    std::set<int> dscps;
    int refused = 0;
    for (auto& child : children) {
        const auto outcome = child->wait();
        INFO(outcome.out << outcome.err);
        if (outcome.exit == 0)
            CHECK(dscps.insert(std::stoi(outcome.out)).second);
        else
            CHECK((refused++, outcome.exit == 4));
    }
    CHECK(dscps.size() == 32);
    CHECK(refused == 32);
    CHECK(*dscps.begin() == 32);
    CHECK(*dscps.rbegin() == 63);
    const auto list = document_of(run(ksmsctl(lab, {"registry", "list", "-j"})));
    REQUIRE(list.is_object());
    CHECK(list["schema"] == "ksms.registry/1");
    CHECK(list["leases"].size() == 32);
}

TEST_CASE("registry: allocate, show, again, release") {
    const Lab lab;
    const auto allocate = [&](const std::string& job) {
        return run(
            ksmsctl(lab, {"registry", "allocate", "--job", job, "--no-owner", "--ttl", "60"}));
    };
    const auto first = allocate("one");
    INFO(first.err);
    REQUIRE(first.exit == 0);
    CHECK(first.out == "32\n");
    CHECK(allocate("two").out == "33\n");
    const auto shown = document_of(run(ksmsctl(lab, {"registry", "show", "--job", "one", "-j"})));
    INFO(shown.dump());
    CHECK(shown.dump().find("\"job_id\":\"one\"") != std::string::npos);
    CHECK(run(ksmsctl(lab, {"registry", "show", "--job", "three"})).exit == 5);
    CHECK(run(ksmsctl(lab, {"registry", "release", "--job", "one"})).exit == 0);
    CHECK(run(ksmsctl(lab, {"registry", "release", "--job", "one"})).exit == 5);
    CHECK(allocate("three").out == "32\n");
    CHECK(run(ksmsctl(lab, {"registry", "allocate", "--job", "no-owner-named"})).exit == 2);
}

TEST_CASE("registry: the lease of a dead owner is given out again") {
    const Lab lab;
    auto sleeper = std::make_unique<Child>(Command{.arguments = {"tail", "-f", "/dev/null"}});
    const auto with_pid = [&](const std::string& job, pid_t pid) {
        return run(ksmsctl(lab, {"registry", "allocate", "--job", job, "--pid", std::to_string(pid),
                                 "--dscp", "40", "--wait", "0"}));
    };
    REQUIRE(with_pid("dies", sleeper->pid()).out == "40\n");
    CHECK(with_pid("waits", ::getpid()).exit == 4);
    sleeper.reset();
    CHECK(with_pid("waits", ::getpid()).out == "40\n");
}

TEST_CASE("a scan under a job that the caller holds uses its lease, which stays held") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    REQUIRE(run(ksmsctl(lab, {"registry", "allocate", "--job", "mine", "--no-owner", "--ttl", "60",
                              "--dscp", "44"}))
                .exit == 0);
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", {"--job", "mine"});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.field("dscp") == 44);
    CHECK(result.field("job") == "mine");
    CHECK(run(ksmsctl(lab, {"registry", "show", "--job", "mine"})).exit == 0);
}

TEST_CASE("the option --deadline bounds the wait for a DSCP too") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto config = lab.directory() + "/one.json";
    std::ofstream(config) << R"({"dscp_registry":{"max_concurrent_jobs":1}})";
    REQUIRE(
        run(ksmsctl(lab, {"registry", "allocate", "--job", "holder", "--no-owner", "--ttl", "600"}))
            .exit == 0);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22",
                             {"--config", config, "--wait", "600", "--deadline", "0.3"});
    INFO(result.text());
    CHECK(result.exit() == 4);
    CHECK(result.error().find("holder") != std::string::npos);
    CHECK(result.outcome().seconds >= 0.3);
}

TEST_CASE("tap attach that fails leaves only the taps from before") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto taps = [&] { return document_of(run(ksmsctl(lab, {"tap", "list", "-j"})))["taps"]; };
    REQUIRE(run(ksmsctl(lab, {"tap", "attach", lab.netns("r1")})).exit == 0);
    REQUIRE(taps().size() == 4);
    // A foreign program attached without a link: no link can be attached beside it.
    lab.in("r3", {"bpftool", "net", "attach", "xdpgeneric", "pinned",
                  lab.pin_root() + "/ksms_xdp_ingress", "dev", "eth1"});
    const auto refused = run(ksmsctl(
        lab, {"tap", "attach", "--tap", "xdp", lab.netns("r1"), lab.netns("r2"), lab.netns("r3")}));
    INFO(refused.out << refused.err);
    CHECK(refused.exit == 1);
    CHECK(refused.err.find("eth1") != std::string::npos);
    const auto left = taps();
    INFO(left.dump());
    REQUIRE(left.size() == 4);
    for (const auto& tap : left) {
        CHECK(tap["router"] == lab.netns("r1"));
        CHECK(tap["kind"] == "tcx");
        CHECK(tap["present"] == true);
    }
    CHECK(std::distance(std::filesystem::directory_iterator(lab.pin_root() + "/links"), {}) == 4);
    CHECK(run(ksmsctl(lab, {"tap", "detach", lab.netns("r1")})).exit == 0);
}

TEST_CASE("tap detach during a running scan detaches and warns") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    REQUIRE(run(ksmsctl(lab, {"tap", "attach", lab.netns("r1"), lab.netns("r2")})).exit == 0);
    CHECK(run(ksmsctl(lab, {"tap", "detach", lab.netns("r2")})).err.empty());
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "22,8000-8999", {"--rate", "400", "--dscp", "47"})));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    const auto detached = run(ksmsctl(lab, {"tap", "detach", lab.netns("r1"), lab.netns("r3")}));
    INFO(detached.out << detached.err);
    CHECK(detached.exit == 0);
    CHECK(detached.out.find(lab.netns("r1") + ": 4 taps detached") != std::string::npos);
    CHECK(detached.err == "warning: the scan of dscp 47 that runs now used these taps: " +
                              lab.netns("r1") + " will be UNKNOWN in its answer\n");
    child.signal(SIGINT);
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK(result.verdict("r1", "tcp", 8999) == "UNKNOWN");
}

TEST_CASE("tap attach escapes control characters in a router's name") {
    Lab lab;
    lab.router("r1");
    const auto path = lab.directory() + "/x\x1b[31m";
    std::filesystem::create_symlink("/run/netns/" + lab.netns("r1"), path);
    const auto attached = run(ksmsctl(lab, {"tap", "attach", path}));
    const auto detached = run(ksmsctl(lab, {"tap", "detach", path}));
    INFO(attached.out << attached.err << detached.out << detached.err);
    REQUIRE(attached.exit == 0);
    REQUIRE(detached.exit == 0);
    CHECK(attached.out.find("/x\\x1b[31m: ") != std::string::npos);
    CHECK(detached.out.find("/x\\x1b[31m: ") != std::string::npos);
}

TEST_CASE("tap list names every tap, tap counters their packets") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    REQUIRE(run(ksmsctl(lab, {"tap", "attach", lab.netns("r1")})).exit == 0);
    const auto list = run(ksmsctl(lab, {"tap", "list", "-j"}));
    INFO(list.out << list.err);
    REQUIRE(list.exit == 0);
    REQUIRE(document_of(list).is_object());
    CHECK(list.out.find(lab.netns("r1")) != std::string::npos);
    CHECK(list.out.find("eth0") != std::string::npos);
    CHECK(list.out.find("eth1") != std::string::npos);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,80").exit() == 0);
    const auto counters = run(ksmsctl(lab, {"tap", "counters", "-j"}));
    INFO(counters.out << counters.err);
    REQUIRE(counters.exit == 0);
    CHECK(document_of(counters).is_object());
    CHECK(run(ksmsctl(lab, {"tap", "list"})).out.find("eth0") != std::string::npos);
    CHECK(run(ksmsctl(lab, {"tap", "detach", lab.netns("r1")})).exit == 0);
}

TEST_CASE("doctor finds nothing missing, gc nothing left") {
    const Lab lab;
    const auto doctor = run(ksmsctl(lab, {"doctor", "-j"}));
    INFO(doctor.out << doctor.err);
    CHECK(doctor.exit == 0);
    CHECK(document_of(doctor).is_object());
    const auto text = run(ksmsctl(lab, {"doctor"}));
    CHECK(text.exit == 0);
    CHECK_FALSE(text.out.empty());
    const auto gc = run(ksmsctl(lab, {"gc", "-j"}));
    INFO(gc.out << gc.err);
    CHECK(gc.exit == 0);
    CHECK(document_of(gc).is_object());
}

TEST_CASE("65,535 services in one scan, no probe lost") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.nft("r2",
            "table inet t { chain c { type filter hook forward priority 0\n"
            "tcp dport 1000-1999 drop\n}\n}\n");
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "T:1-65535");
    INFO(result.outcome().err << result.outcome().out.substr(0, 500));
    REQUIRE(result.exit() == 0);
    const auto& summary = result.field("summary");
    CHECK(summary["yes"] == 64535);
    CHECK(summary["no"] == 1000);
    CHECK(summary["unknown"] == 0);
}

}  // namespace
