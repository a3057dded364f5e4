// SPDX-License-Identifier: BSD-2-Clause
// A router that answers a SYN in the destination's place. The truth is what arrives at the
// destination and what comes back to the source.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

void proxy_at(const Lab& lab, const std::string& router) {
    if (router == "r3") {
        lab.nft(router,
                "table inet t {\nchain a { type filter hook prerouting priority raw\n"
                "tcp dport 80 notrack\n}\nchain b { type filter hook forward priority 0\n"
                "tcp dport 80 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp "
                "sack-perm\ntcp dport 25 drop\n}\n}\n");
        return;
    }
    lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
              "*raw\n-A PREROUTING -p tcp --dport 80 --syn -j CT --notrack\nCOMMIT\n"
              "*filter\n-A FORWARD -p tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED "
              "-j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460\n"
              "-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n");
}

TEST_CASE("a SYN proxy stopped nothing: what is behind it is UNKNOWN, and nobody waits for it") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    proxy_at(lab, router);
    for (const int family : {4, 6}) {
        Capture at_destination(lab.netns("dst"), "eth0");
        // Were it waited for, it would be sent again, four times in all.
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 "22,25,80", {"--timeout", "20"});
        INFO("IPv" << family << " at " << router << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.verdict(router, "tcp", 25) == "NO");
        REQUIRE(eventually([&] { return at_destination.saw("tcp", 22); }));
        CHECK_FALSE(at_destination.saw("tcp", 80));
        const auto row = result.at(router, "tcp", 80);
        REQUIRE(row.is_object());
        CHECK(row["result"] == "UNKNOWN");
        CHECK(row["reason"] == "lost");
        CHECK(row["answer"] == "tcp-syn-ack");
        CHECK(row["notes"] == nlohmann::json{"synproxy"});
        const auto end = result.end("tcp", 80);
        CHECK(end["result"] == "UNKNOWN");
        CHECK(end["notes"] == nlohmann::json{"synproxy"});
        CHECK(end["sent"] == 1);
        CHECK(end["why"].get<std::string>().find(lab.netns(router) + ": answered in") == 0);
    }
}

}  // namespace
