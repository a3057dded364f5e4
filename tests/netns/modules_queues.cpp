// SPDX-License-Identifier: BSD-2-Clause
// What delays, shapes or hides packets: queueing disciplines, a flowtable, a program that decides.
// In scripts/kernels only.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/packet_queue.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;

struct Queueing {
    const char* name;
    std::vector<std::string> qdisc;
};

std::vector<bool> arrived_of_22_and_23(const Lab& lab, int family) {
    return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}});
}

}  // namespace

TEST_CASE("modules: a queueing discipline behind the egress tap", "[.modules]") {
    const std::vector<Queueing> all{
        {"netem delay", {"netem", "delay", "100ms"}},
        {"netem duplicate", {"netem", "duplicate", "100%"}},
        {"netem reorder", {"netem", "delay", "20ms", "reorder", "25%", "50%"}},
        {"fq_codel", {"fq_codel"}},
        {"cake", {"cake", "bandwidth", "1mbit"}},
        {"sfq", {"sfq"}},
    };
    for (const auto& queueing : all) {
        DYNAMIC_SECTION(queueing.name) {
            Lab lab(Pins::with_process);
            build_two(lab);
            std::vector<std::string> command{"tc", "qdisc", "replace", "dev", "eth1", "root"};
            command.insert(command.end(), queueing.qdisc.begin(), queueing.qdisc.end());
            lab.in("r1", command);
            lab.rules("r2", Firewall::iptables_nft,
                      "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
            // Until the neighbours know each other through the queue.
            REQUIRE(eventually(
                [&] { return arrived_of_22_and_23(lab, 4) == std::vector<bool>{true, false}; }));
            for (const auto& asked :
                 &queueing == &all.front() ? in_every_way() : only({"clsact", "isolated"})) {
                const auto result =
                    ask(lab, two_source(lab, 4), two_destination(lab, 4), "22,23,80-99", asked);
                INFO(asked.name << "\n" << result.text());
                CHECK(result.count("no") == 1);
                CHECK(result.count("yes") == 21);
                CHECK(result.result("tcp", 23) == "NO");
            }
        }
    }
}

TEST_CASE("modules: an nftables flowtable takes no first packet past the rules", "[.modules]") {
    Lab lab(Pins::with_process);
    build_two(lab);
    lab.nft("r2", R"(table inet t {
        flowtable f {
            hook ingress priority 0
            devices = { eth0, eth1 }
        }
        chain c {
            type filter hook forward priority 0
            ip protocol { tcp, udp } flow add @f
            tcp dport 23 drop
        }
    })");
    REQUIRE(arrived_of_22_and_23(lab, 4) == std::vector<bool>{true, false});
    for (const auto& asked : in_every_way()) {
        const auto result =
            ask(lab, two_source(lab, 4), two_destination(lab, 4), "22,23,53/udp", asked);
        INFO(asked.name << "\n" << result.text());
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("udp", 53) == "YES");
        CHECK(result.result("tcp", 23) == "NO");
    }
}

TEST_CASE("modules: nftables gives packets to a program", "[.modules]") {
    const int family = GENERATE(4, 6);
    const bool accepts = GENERATE(true, false);
    Lab lab(Pins::with_process);
    build_two(lab);
    lab.nft("r2", R"(table inet t {
        chain c {
            type filter hook forward priority 0
            tcp dport 23 queue num 5
        }
    })");
    const PacketQueue queue(lab.netns("r2"), 5, milliseconds(5), accepts);
    REQUIRE(arrived_of_22_and_23(lab, family)[0]);
    for (const auto& asked : in_every_way()) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("tcp", 23) == (accepts ? "YES" : "NO"));
        CHECK(result.verdict("r1", "tcp", 23) == "YES");
        CHECK(result.verdict("r2", "tcp", 23) == (accepts ? "YES" : "NO"));
    }
}

TEST_CASE("modules: netem loses or keeps every packet", "[.modules]") {
    Lab lab(Pins::with_process);
    build_two(lab);
    lab.ip("r1", {"neigh replace " + lab.address(4, 2, 2) +
                  " lladdr 02:00:00:00:02:02 nud permanent dev eth1"});
    const auto with = [&](const Asked& asked, const std::vector<std::string>& netem) {
        std::vector<std::string> command{"tc", "qdisc", "replace", "dev", "eth1", "root", "netem"};
        command.insert(command.end(), netem.begin(), netem.end());
        lab.in("r1", command);
        return ask(lab, two_source(lab, 4), two_destination(lab, 4), "22", asked);
    };
    for (const auto& asked : in_every_way()) {
        const auto lost = with(asked, {"loss", "100%"}), kept = with(asked, {"delay", "60s"});
        INFO(asked.name << "\n" << lost.text() << "\n" << kept.text());
        CHECK(lost.verdict("r1", "tcp", 22) == "NO");
        CHECK(lost.result("tcp", 22) == "NO");
        CHECK(kept.verdict("r1", "tcp", 22) != "NO");
        CHECK(kept.result("tcp", 22) == "UNKNOWN");
    }
}
