// SPDX-License-Identifier: BSD-2-Clause
// What takes its time: a slow link with a short queue, a program that decides about packets.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/packet_queue.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;

constexpr const char* kManyServices = "8001-8120";
constexpr int kMany = 120;

/// The last link takes some 70 small packets at once, and 600 a second.
void shape_last_link(const Lab& lab) {
    lab.in("r2", {"tc", "qdisc", "add", "dev", "eth1", "root", "tbf", "rate", "256kbit", "burst",
                  "1600", "limit", "2000"});
}

void check_shaped(int family, const std::vector<Asked>& ways) {
    Lab lab(Pins::with_process);
    const auto target = two_destination(lab, family);
    given("every packet that comes alone gets through", [&] {
        build_two(lab);
        shape_last_link(lab);
        return observe(lab, target, {{"tcp", 8001}, {"tcp", 8050}, {"tcp", 8120}}) ==
               std::vector<bool>{true, true, true};
    });
    for (const auto& asked : ways) {
        const auto result = ask(lab, two_source(lab, family), target, kManyServices, asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.count("no") == 0);
        CHECK(result.count("yes") == kMany);
    }
}

/// r2's firewall gives these to a program, in a chain and by a family's addresses.
void queue_at_r2(const Lab& lab, const std::string& chain, const std::string& match) {
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A " + chain + " " + match + " -j NFQUEUE --queue-num 5\nCOMMIT\n");
}

}  // namespace

TEST_CASE("truth: a shaped last link loses probes of a burst, and none of them is a NO") {
    check_shaped(GENERATE(4, 6), by_every_tap());
}

TEST_CASE("truth: a shaped last link in isolated mode") {
    check_shaped(GENERATE(4, 6), {in_isolated_mode()});
}

namespace {

void check_late(int family, milliseconds waits, const std::vector<std::string>& more,
                bool in_time) {
    Lab lab(Pins::with_process);
    const auto target = two_destination(lab, family);
    build_two(lab);
    queue_at_r2(lab, "FORWARD", "-p tcp --dport 80");
    const PacketQueue queue(lab.netns("r2"), 5, waits, true);
    given("a packet that waits arrives", [&] {
        Capture there(lab.netns("dst"), "eth0");
        send_plain(
            {.netns = lab.netns("src"), .destination = target, .protocol = "tcp", .port = 80});
        return eventually([&] { return there.saw("tcp", 80); });
    });
    for (const auto& asked : only({"clsact", "netfilter", "isolated"})) {
        const auto result = ask(lab, two_source(lab, family), target, "80,81", asked, more);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 80) != "NO");
        CHECK(result.result("tcp", 80) != "NO");
        CHECK(result.result("tcp", 81) == "YES");
        if (in_time) CHECK(result.result("tcp", 80) == "YES");
    }
}

}  // namespace

TEST_CASE("truth: a program that accepts a packet later than the timeout stops nothing") {
    check_late(GENERATE(4, 6), milliseconds{1000}, {"--timeout", "0.3", "--retries", "0"}, false);
}

TEST_CASE("truth: a program that accepts a packet after a while stops nothing") {
    check_late(GENERATE(4, 6), milliseconds{100}, {}, true);
}

TEST_CASE("truth: a program that drops at INPUT after a while took nothing") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    const auto target = lab.address(family, 2, 2);
    build_two(lab);
    queue_at_r2(lab, "INPUT", "-p tcp --dport 80");
    const PacketQueue queue(lab.netns("r2"), 5, milliseconds{100}, false);
    const auto listening = listen_in(lab.netns("r2"), target, "tcp", 80);
    given("nobody connects", [&] { return !connects(lab.netns("src"), target, 80); });
    for (const auto& asked : only({"clsact", "netfilter", "isolated"})) {
        const auto result = ask(lab, two_source(lab, family), target, "80,81", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 80) != "YES");
        CHECK(result.result("tcp", 80) != "YES");
        CHECK(result.result("tcp", 81) == "YES");
    }
}
