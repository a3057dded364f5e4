// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl uninstall removes what stays by design, and nothing that is in use.
#include <fmt/format.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "bpf/keeper.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

using namespace ksms::lab;
using nlohmann::json;

namespace {

bool is_there(const std::string& path) {
    return std::filesystem::exists(path);
}

std::string cgroup_of(const Lab& lab) {
    return ksms::keeper_path(ksms::PinRoot{lab.pin_root()});
}

/// BPF programs of this lab's pin root on a tracepoint: the exit hook.
bool hook_runs(const Lab& lab) {
    return run({.arguments = {"bpftool", "-f", "link", "show"}})
               .out.find(lab.pin_root() + "/exit_hook") != std::string::npos;
}

void install(const Lab& lab) {
    REQUIRE(run(ksmsctl(lab, {"registry", "list"})).exit == 0);
    REQUIRE(is_there(lab.pin_root()));
    REQUIRE(hook_runs(lab));
}

bool is_gone(const Lab& lab) {
    return !is_there(lab.pin_root()) && !hook_runs(lab) &&
           (cgroup_of(lab).empty() || !is_there(cgroup_of(lab)));
}

}  // namespace

TEST_CASE("uninstall: pins, exit hook and cgroup are removed, the next command restores them") {
    const Lab lab;
    install(lab);
    const auto planned = run(ksmsctl(lab, {"uninstall", "--dry-run"}));
    CHECK(planned.exit == 0);
    CHECK(planned.out.find(fmt::format(" pins under {}\n", lab.pin_root())) != std::string::npos);
    CHECK(planned.out.find("would remove the program on the end of processes\n") !=
          std::string::npos);
    CHECK(is_there(lab.pin_root()));
    CHECK(hook_runs(lab));
    const auto done = run(ksmsctl(lab, {"uninstall"}));
    INFO(done.out << done.err);
    CHECK(done.exit == 0);
    CHECK(is_gone(lab));
    const auto again = run(ksmsctl(lab, {"uninstall"}));
    CHECK(again.exit == 0);
    CHECK(again.out == fmt::format("nothing is installed under {}\n", lab.pin_root()));
    install(lab);
    const auto document = json::parse(run(ksmsctl(lab, {"uninstall", "-j"})).out);
    CHECK(document["schema"] == "ksms.uninstall/1");
    CHECK(document["removed"].size() >= 3);
    CHECK(is_gone(lab));
}

TEST_CASE("uninstall: refused while a DSCP is held, naming the holder, unless forced") {
    const Lab lab;
    install(lab);
    const std::vector<std::string> allocate{"registry", "allocate",   "--job", "web-7", "--dscp",
                                            "40",       "--no-owner", "--ttl", "600"};
    REQUIRE(run(ksmsctl(lab, allocate)).exit == 0);
    const auto before = quick_state(lab);
    for (const auto& line :
         std::vector<std::vector<std::string>>{{"uninstall"}, {"uninstall", "-j"}}) {
        const auto refused = run(ksmsctl(lab, line));
        CHECK(refused.exit == 1);
        CHECK(refused.err.find("DSCP 40: job web-7 of root (no process)") != std::string::npos);
        CHECK(refused.err.find("--force") != std::string::npos);
    }
    const auto planned = run(ksmsctl(lab, {"uninstall", "--dry-run"}));
    CHECK(planned.exit == 1);
    CHECK(planned.out.find("in use: DSCP 40: job web-7 of root (no process)\n") !=
          std::string::npos);
    CHECK(difference(before, quick_state(lab)) == "");
    CHECK(hook_runs(lab));
    const auto forced = run(ksmsctl(lab, {"uninstall", "--force"}));
    CHECK(forced.exit == 0);
    CHECK(forced.err.find("it was in use: DSCP 40: job web-7") != std::string::npos);
    CHECK(is_gone(lab));
}

TEST_CASE("uninstall: refused while a scan runs") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    install(lab);
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "8000-8099", {"--rate", "20"})));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    const auto refused = run(ksmsctl(lab, {"uninstall"}));
    CHECK(refused.exit == 1);
    CHECK(refused.err.find(fmt::format("(pid {})", child.pid())) != std::string::npos);
    child.signal(SIGINT);
    CHECK(child.wait().exit == 128 + SIGINT);
    CHECK(run(ksmsctl(lab, {"uninstall"})).exit == 0);
    CHECK(is_gone(lab));
}

TEST_CASE("uninstall: leftovers of a killed scan are removed first (only the journal knows them)") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = full_state(lab);
    Child child(ksmsctl(lab,
                        scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8099",
                                       {"--rate", "20"}),
                        {{"KSMS_ATTACH", "clsact"}}));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    child.signal(SIGSTOP);
    for (const auto watcher : child.children()) ::kill(watcher, SIGKILL);
    child.signal(SIGKILL);
    child.wait();
    REQUIRE(difference(before, quick_state(lab)).find("clsact") != std::string::npos);
    const auto done = run(ksmsctl(lab, {"uninstall"}));
    INFO(done.out << done.err);
    CHECK(done.exit == 0);
    CHECK(is_gone(lab));
    install(lab);
    CHECK(difference(before, full_state(lab)).find("clsact") == std::string::npos);
}

TEST_CASE("uninstall: the cgroup is removed even if the pins were removed by hand") {
    const Lab lab;
    install(lab);
    if (cgroup_of(lab).empty()) {
        WARN("SKIP: no cgroup v2 is mounted here");
        return;
    }
    std::filesystem::remove_all(lab.pin_root());
    REQUIRE(is_there(cgroup_of(lab)));
    const auto done = run(ksmsctl(lab, {"uninstall"}));
    INFO(done.out << done.err);
    CHECK(done.exit == 0);
    CHECK(is_gone(lab));
}
