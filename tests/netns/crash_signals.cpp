// SPDX-License-Identifier: BSD-2-Clause
// Ctrl-C and other signals: the partial result is printed, and everything is undone.
#include <signal.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

void check_signal(int number) {
    Lab lab;
    build_chain(lab, {.destination = false});
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = full_state(lab);
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "22,25,8000-8999", {"--rate", "20"})));
    // Long after the first two, long before the last.
    REQUIRE(eventually([&] { return probes_seen(lab) >= 20; }));
    child.signal(number);
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK(result.exit() == 128 + number);
    REQUIRE(result.document().is_object());
    CHECK(result.field("state") == "interrupted");
    CHECK(result.field("services").size() == 1002);
    CHECK(result.verdict("r1", "tcp", 22) == "YES");
    CHECK(result.result("tcp", 25) == "NO");
    CHECK(result.result("tcp", 8999) == "UNKNOWN");
    CHECK(difference(before, full_state(lab)) == "");
}

TEST_CASE("Ctrl-C ends with 130, a valid document and nothing left") {
    check_signal(SIGINT);
}

TEST_CASE("SIGTERM ends with 143, a valid document and nothing left") {
    check_signal(SIGTERM);
}

TEST_CASE("SIGQUIT ends with 131, a valid document and nothing left") {
    check_signal(SIGQUIT);
}

TEST_CASE("EPIPE on standard output ends the scan, and nothing is left") {
    Lab lab;
    build_chain(lab);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = quick_state(lab);
    auto command = ksmsctl(lab, {});
    std::string line = command.arguments.front();
    for (const auto& argument :
         scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8999"))
        line += ' ' + argument;
    command.arguments = {"sh", "-c", line + " | head -c 10"};
    CHECK(run(command).exit == 0);
    CHECK(left_after(lab, before) == "");
}

}  // namespace
