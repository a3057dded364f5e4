// SPDX-License-Identifier: BSD-2-Clause
// Detailed jobs in parallel with each other, with scans and with other traffic; killed ones; usage
// errors.
#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/explain.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

constexpr const char* kSixteen =
    "22,23,25,80,110,135,139,143,443,445,993,3389,53/udp,69/udp,123/udp,161/udp";

bool traces(const Lab& lab, const char* node = "r3") {
    return lab.in(node, {"nft", "list", "tables"}).find("ksms_explain_") != std::string::npos;
}

/// Verdicts of those services of the standard lab that were asked for.
void check_chain(const Explained& result) {
    for (const auto& service : chain_services()) {
        const auto row = result.service(service.protocol, service.port);
        if (row.is_null()) continue;
        INFO(service.port << "/" << service.protocol << ": " << service.how);
        CHECK(row["result"] == (service.passes == 3 ? "YES" : "NO"));
        if (service.passes == 3) continue;
        const auto stop = "r" + std::to_string(service.passes + 1);
        CHECK(result.hop(stop, service.protocol, service.port)["rule"].is_object());
    }
}

TEST_CASE("explain: kill -9 while it traces leaves no nftables table") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto quick = quick_state(lab), before = full_state(lab);
    Child child(ksmsctl(lab, explain_arguments(lab, 4, kSixteen)));
    // Killed in the middle: the table exists as long as its owner lives.
    const bool caught = eventually([&] {
        if (!traces(lab)) return false;
        child.signal(SIGSTOP);
        if (traces(lab)) return true;
        child.signal(SIGCONT);
        return false;
    });
    REQUIRE(caught);
    child.signal(SIGKILL);
    REQUIRE(child.wait().exit == 128 + SIGKILL);
    CHECK(eventually([&] { return !traces(lab) && !traces(lab, "r1"); }));
    CHECK(left_after(lab, quick) == "");
    CHECK(difference(before, full_state(lab)) == "");
    CHECK(explain(lab, 4, "22", {"--wait", "0"}).exit() == 0);
}

TEST_CASE("explain: Ctrl-C prints the partial result and leaves nothing") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = full_state(lab);
    Child child(ksmsctl(lab, explain_arguments(lab, 4, kSixteen)));
    REQUIRE(eventually([&] { return traces(lab); }));
    child.signal(SIGINT);
    const Explained result(lab, child.wait());
    INFO(result.text());
    CHECK(result.exit() == 128 + SIGINT);
    CHECK(result.result().field("state") == "interrupted");
    CHECK(result.result().field("services").size() == 16);
    CHECK(result.service("udp", 161)["reason"] == "not_sent:interrupted");
    CHECK(difference(before, full_state(lab)) == "");
}

TEST_CASE("explain: one runs at a time, the next waits and names the holder") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    Child first(ksmsctl(lab, explain_arguments(lab, 4, kSixteen)));
    REQUIRE(eventually([&] { return traces(lab); }));
    const auto refused = explain(lab, 6, "22", {"--wait", "0"});
    INFO(refused.text());
    CHECK(refused.exit() == 1);
    CHECK(refused.result().error().find("process " + std::to_string(first.pid())) !=
          std::string::npos);
    const auto second = explain(lab, 6, "22,25");
    INFO(second.text());
    CHECK(second.exit() == 0);
    CHECK(second.hop("r2", "tcp", 25)["rule"].is_object());
    // It had to wait: the first ended before it started.
    CHECK(first.ended(kPatience));
    const Explained result(lab, first.wait());
    INFO(result.text());
    CHECK(result.exit() == 0);
    check_chain(result);
}

TEST_CASE("explain: fast scans run in parallel undisturbed") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    Child child(ksmsctl(lab, explain_arguments(lab, 4, kSixteen)));
    REQUIRE(eventually([&] { return traces(lab); }));
    int scans = 0;
    while (!child.ended(milliseconds{1})) {
        const auto fast = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports());
        INFO(fast.text());
        REQUIRE(fast.exit() == 0);
        for (const auto& service : chain_services())
            CHECK(fast.result(service.protocol, service.port) ==
                  (service.passes == 3 ? "YES" : "NO"));
        ++scans;
    }
    CHECK(scans > 0);
    const Explained result(lab, child.wait());
    INFO(result.text());
    CHECK(result.exit() == 0);
    check_chain(result);
}

TEST_CASE("explain: other traffic on iptables-legacy rules is reported as ambiguous") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 24 -j DROP\n"
              "-A FORWARD -p udp --dport 24 -j DROP\n-A FORWARD -p tcp --dport 25 -j DROP\n"
              "COMMIT\n");
    const auto with_traffic = [&](const std::string& protocol) {
        std::atomic<bool> over{false};
        std::thread traffic([&] {
            while (!over)
                send_plain({.netns = lab.netns("src"),
                            .source = "",
                            .destination = chain_destination(lab, 4),
                            .protocol = protocol,
                            .port = 24});
        });
        auto result = explain(lab, 4, "25");
        over = true;
        traffic.join();
        return result;
    };
    // UDP packets cannot be our TCP probe.
    const auto told_apart = with_traffic("udp");
    INFO(told_apart.text());
    REQUIRE(told_apart.hop("r2", "tcp", 25)["rule"].is_object());
    CHECK(told_apart.hop("r2", "tcp", 25)["rule"]["number"] == 3);
    const auto unsure = with_traffic("tcp");
    INFO(unsure.text());
    const auto hop = unsure.hop("r2", "tcp", 25);
    CHECK(hop["result"] == "NO");
    CHECK(hop["rule"].is_null());
    CHECK(hop["rule_unknown"].get<std::string>().find("other traffic") != std::string::npos);
    REQUIRE(hop["candidates"].size() == 2);
    CHECK(hop["candidates"][0]["number"] == 1);
    CHECK(hop["candidates"][1]["number"] == 3);
}

TEST_CASE("explain: it announces on stderr what it adds, and where") {
    Lab lab(Pins::with_process);
    build_chain(lab);
    auto arguments = explain_arguments(lab, 4, "22");
    const auto told = run(ksmsctl(lab, arguments));
    CHECK(told.err.find("nftables table ksms_explain_") != std::string::npos);
    CHECK(told.err.find(lab.netns("r1")) != std::string::npos);
    CHECK(told.err.find(lab.netns("r2")) == std::string::npos);  // iptables-legacy has no tracing
    arguments.emplace_back("-q");
    CHECK(run(ksmsctl(lab, arguments)).err.empty());
}

TEST_CASE("explain: usage errors and missing privileges") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto many = explain(lab, 4, "1-17");
    CHECK(many.exit() == 2);
    CHECK(many.result().error().find("16") != std::string::npos);
    CHECK(explain(lab, 4, "1-16", {"--mode", "path"}).exit() == 2);
    CHECK(run(ksmsctl(lab, {"explain", "-s", "10.0.0.1", "-d", "10.0.0.2"})).exit == 2);
    auto nobody = ksmsctl(lab, explain_arguments(lab, 4, "22"));
    nobody.uid = 65534;
    CHECK(run(nobody).exit == 6);
}

}  // namespace
