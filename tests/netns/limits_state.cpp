// SPDX-License-Identifier: BSD-2-Clause
// What routers remember of an earlier scan does not answer for a later one.
#include <signal.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/tracked.hpp"

namespace {

using namespace ksms::lab;

/// A router of the chain with rules of its kind that decide over 80/tcp, established ones first.
void decide(const Lab& lab, const std::string& router, bool passes) {
    if (router == "r3") {
        lab.nft(router, std::string("table inet ksms_lab\ndelete table inet ksms_lab\n"
                                    "table inet ksms_lab {\nchain forward {\n"
                                    "type filter hook forward priority 0\n"
                                    "ct state established accept\ntcp dport 80 ") +
                            (passes ? "accept" : "drop") + "\n}\n}\n");
        return;
    }
    lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
              std::string("*filter\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j "
                          "ACCEPT\n-A FORWARD -p tcp --dport 80 -j ") +
                  (passes ? "ACCEPT" : "DROP") + "\nCOMMIT\n");
}

/// DNAT of 80/tcp to 8080, or none.
void translate(const Lab& lab, const std::string& router, bool on) {
    if (router == "r3") {
        lab.nft(router, std::string("table ip ksms_nat\ndelete table ip ksms_nat\n"
                                    "table ip ksms_nat {\nchain pre {\n"
                                    "type nat hook prerouting priority -100\n") +
                            (on ? "tcp dport 80 dnat to :8080" : "") + "\n}\n}\n");
        return;
    }
    lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
              std::string("*nat\n") +
                  (on ? "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination :8080\n" : "") +
                  "COMMIT\n",
              4);
}

/// A scan that is killed after its first probe: what it left in the tracking stays.
void scan_and_die(const Lab& lab) {
    const auto before = tracked(lab, "r1");
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            "80-83", {"--rate", "1"})));
    REQUIRE(eventually([&] { return tracked(lab, "r1") > before; }));
    child.signal(SIGKILL);
    child.wait();
    REQUIRE(tracked(lab, "r1") > before);
}

TEST_CASE("limits: rules that change between two scans change the answer") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.destination = false, .firewalls = false});
    for (const char* name : {"r1", "r2", "r3"}) decide(lab, name, true);
    for (const bool passes : {true, false, true}) {
        for (const bool killed : {false, true}) {
            if (killed) scan_and_die(lab);
            decide(lab, router, passes);
            const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80");
            INFO(router << (passes ? " ACCEPT" : " DROP") << (killed ? ", one was killed" : "")
                        << "\n"
                        << result.text());
            CHECK(result.verdict(router, "tcp", 80) == (passes ? "YES" : "NO"));
        }
    }
}

TEST_CASE("limits: a translation of an earlier scan does not last") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.destination = false, .firewalls = false});
    decide(lab, "r1", true);
    for (const bool on : {true, false, true, false}) {
        translate(lab, router, on);
        const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80");
        INFO(router << (on ? " DNAT" : " none") << "\n" << result.text());
        CHECK(result.verdict(router, "tcp", 80) == "YES");
        CHECK(result.has_note(router, "tcp", 80, "translated:") == on);
        scan_and_die(lab);
    }
}

}  // namespace
