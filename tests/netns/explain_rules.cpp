// SPDX-License-Identifier: BSD-2-Clause
// The rule that stops a service: each test installs it itself, between decoys.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/explain.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

constexpr const char* kIptables = R"(*raw
-A PREROUTING -p udp --dport 112 -j DROP
-A PREROUTING -p udp --dport 111 -j DROP
COMMIT
*mangle
-A POSTROUTING -p tcp --dport 994 -j DROP
-A POSTROUTING -p tcp --dport 993 -j DROP
COMMIT
*filter
:FORWARD DROP [0:0]
:mail - [0:0]
-A FORWARD -p tcp --dport 26 -j DROP
-A FORWARD -p tcp -m comment --comment "to mail, not -j DROP" -j mail
-A FORWARD -p tcp --dport 80 -j REJECT
-A FORWARD -p tcp -m multiport --dports 22,993 -j ACCEPT
-A mail -p tcp --dport 24 -j DROP
-A mail -p tcp --dport 25 -j DROP
COMMIT
)";

constexpr const char* kNftables = R"(table inet fw {
    chain early {
        type filter hook prerouting priority raw
        udp dport 112 drop
        udp dport 111 drop
    }
    chain mail {
        tcp dport 24 drop
        tcp dport 25 drop
    }
    chain forward {
        type filter hook forward priority filter
        policy drop
        tcp dport 26 drop
        meta l4proto tcp jump mail
        tcp dport 80 reject
        tcp dport { 22, 993 } accept
    }
    chain late {
        type filter hook postrouting priority mangle
        tcp dport 994 drop
        tcp dport 993 drop
    }
}
)";

struct Stop {
    const char* protocol;
    int port;
    const char *hook, *verdict;
    int number;                        ///< 0: the policy
    const char *table, *chain, *text;  ///< of iptables
    const char *nft_chain, *nft_text;
};

const std::vector<Stop> kStops{
    {"tcp", 25, "FORWARD", "drop", 2, "filter", "mail", "--dport 25 -j DROP", "mail",
     "tcp dport 25 drop"},
    {"tcp", 80, "FORWARD", "reject", 3, "filter", "FORWARD", "--dport 80 -j REJECT", "forward",
     "tcp dport 80 reject"},
    {"tcp", 993, "POSTROUTING", "drop", 2, "mangle", "POSTROUTING", "--dport 993 -j DROP", "late",
     "tcp dport 993 drop"},
    {"udp", 111, "PREROUTING", "drop", 2, "raw", "PREROUTING", "--dport 111 -j DROP", "early",
     "udp dport 111 drop"},
    {"udp", 99, "FORWARD", "drop", 0, "filter", "FORWARD", "", "forward", ""},
};
constexpr const char* kPorts = "22,25,80,993,111/udp,99/udp";

enum class Kind { iptables_nft, iptables_legacy, nftables };

/// The router that has these rules; no other router has any.
struct Guarded {
    const char *router, *firewall;
};

Guarded build(Lab& lab, Kind kind) {
    build_chain(lab, {.firewalls = false});
    switch (kind) {
        case Kind::iptables_nft:
            lab.rules("r2", Firewall::iptables_nft, kIptables);
            return {"r2", "iptables-nft"};
        case Kind::iptables_legacy:
            lab.rules("r2", Firewall::iptables_legacy, kIptables);
            return {"r2", "iptables-legacy"};
        case Kind::nftables: lab.nft("r2", kNftables); return {"r2", "nftables"};
    }
    return {};
}

void check_rule(const Explained& result, const Guarded& at, const Stop& stop, int family) {
    INFO(stop.port << "/" << stop.protocol);
    REQUIRE(result.verdict(at.router, stop.protocol, stop.port) == "NO");
    CHECK(result.at_hook(at.router, stop.protocol, stop.port, stop.hook) == "dropped");
    CHECK(result.at_hook(at.router, stop.protocol, stop.port, "ingress") == "passed");
    const auto rule = result.hop(at.router, stop.protocol, stop.port)["rule"];
    REQUIRE(rule.is_object());
    const bool nft = std::string(at.firewall) == "nftables";
    CHECK(rule["firewall"] == at.firewall);
    CHECK(rule["family"] == (nft ? "inet" : family == 4 ? "ip" : "ip6"));
    CHECK(rule["table"] == (nft ? "fw" : stop.table));
    CHECK(rule["chain"] == (nft ? stop.nft_chain : stop.chain));
    CHECK(rule["verdict"] == stop.verdict);
    CHECK(rule["hook"] == stop.hook);
    CHECK(rule["policy"] == (stop.number == 0));
    if (stop.number == 0) {
        CHECK(rule["number"].is_null());
        return;
    }
    CHECK(rule["number"] == stop.number);
    CHECK(rule["handle"].is_null() == (std::string(at.firewall) == "iptables-legacy"));
    REQUIRE(rule["text"].is_string());
    CHECK(rule["text"].get<std::string>().find(nft ? stop.nft_text : stop.text) !=
          std::string::npos);
    if (stop.port != 25) return;
    REQUIRE(rule["jumps"].size() == 1);
    CHECK(rule["jumps"][0]["number"] == 2);
    CHECK(rule["jumps"][0]["chain"] == (nft ? "forward" : "FORWARD"));
}

/// nft lists that rule with that handle.
void check_handle(const Lab& lab, const Explained& result, const Guarded& at) {
    const auto rule = result.hop(at.router, "tcp", 25)["rule"];
    const auto listing = lab.in(
        at.router, {"nft", "-a", "list", "chain", rule["family"], rule["table"], rule["chain"]});
    const auto end = listing.find("# handle " + std::to_string(rule["handle"].get<int>()) + "\n");
    REQUIRE(end != std::string::npos);
    const auto begin = listing.rfind('\n', end);
    CHECK(listing.substr(begin, end - begin).find("25") != std::string::npos);
}

void check_all(Kind kind) {
    Lab lab(Pins::with_process);
    const auto at = build(lab, kind);
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = full_state(lab);
    for (const int family : {4, 6}) {
        INFO("IPv" << family << " " << at.firewall);
        const auto result = explain(lab, family, kPorts);
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.result().field("state") == "done");
        CHECK(result.service("tcp", 22)["result"] == "YES");
        for (const char* router : {"r1", "r2", "r3"}) {
            CHECK(result.verdict(router, "tcp", 22) == "YES");
            CHECK(result.hop(router, "tcp", 22)["rule"].is_null());
            CHECK(result.at_hook(router, "tcp", 22, "FORWARD") == "passed");
        }
        for (const auto& stop : kStops) check_rule(result, at, stop, family);
        CHECK(result.at_hook(at.router, "tcp", 25, "POSTROUTING") == "not reached");
        if (kind != Kind::iptables_legacy) check_handle(lab, result, at);
    }
    CHECK(difference(before, full_state(lab)) == "");
}

TEST_CASE("explain: the rule that drops, iptables-nft") {
    check_all(Kind::iptables_nft);
}

TEST_CASE("explain: the rule that drops, iptables-legacy") {
    check_all(Kind::iptables_legacy);
}

TEST_CASE("explain: the rule that drops, nftables") {
    check_all(Kind::nftables);
}

TEST_CASE("explain: three firewalls in a row, the deciding rule at each") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto table = [](int port) {
        return "*filter\n-A FORWARD -p tcp --dport 24 -j DROP\n-A FORWARD -p tcp --dport " +
               std::to_string(port) + " -j DROP\nCOMMIT\n";
    };
    lab.rules("r1", Firewall::iptables_nft, table(25), 4);
    lab.rules("r2", Firewall::iptables_legacy, table(26), 4);
    lab.nft("r3",
            "table inet fw { chain forward { type filter hook forward priority filter\n"
            "tcp dport 24 drop\ntcp dport 27 drop\n}\n}\n");
    const auto result = explain(lab, 4, "25,26,27");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    const std::vector<Guarded> guarded{
        {"r1", "iptables-nft"}, {"r2", "iptables-legacy"}, {"r3", "nftables"}};
    for (std::size_t at = 0; at < guarded.size(); ++at) {
        const int port = 25 + static_cast<int>(at);
        INFO("port " << port);
        CHECK(result.verdict(guarded[at].router, "tcp", port) == "NO");
        const auto rule = result.hop(guarded[at].router, "tcp", port)["rule"];
        REQUIRE(rule.is_object());
        CHECK(rule["firewall"] == guarded[at].firewall);
        CHECK(rule["number"] == 2);
        CHECK(rule["hook"] == "FORWARD");
        CHECK(rule["text"].get<std::string>().find(std::to_string(port)) != std::string::npos);
    }
}

TEST_CASE("explain: without nft and iptables, the verdict and the kernel's drop reason") {
    Lab lab(Pins::with_process);
    build(lab, Kind::nftables);
    lab.rules("r3", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\n"
              "COMMIT\n");
    // Tools are searched in fixed directories, which are empty here.
    auto command = ksmsctl(lab, explain_arguments(lab, 4, "25,22", {}));
    const std::vector<std::string> shell{
        "unshare",
        "--mount",
        "--propagation",
        mount_propagation(),
        "sh",
        "-euc",
        "mount -t tmpfs none /usr/sbin; [ -L /sbin ] || mount -t tmpfs none /sbin; exec \"$@\"",
        "sh"};
    command.arguments.insert(command.arguments.begin(), shell.begin(), shell.end());
    const Explained result{lab, run(command)};
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    const auto rule = result.hop("r2", "tcp", 25)["rule"];
    REQUIRE(rule.is_object());
    CHECK(rule["chain"] == "mail");
    CHECK(rule["number"] == 2);
    CHECK(rule["handle"].is_number());
    CHECK(rule["text"].is_null());
    const auto legacy = result.hop("r3", "tcp", 22);
    CHECK(legacy["result"] == "NO");
    CHECK(legacy["rule"].is_null());
    CHECK(legacy["rule_unknown"].get<std::string>().find("is not installed") != std::string::npos);
}

TEST_CASE("explain: the destination is the router itself, and its INPUT chain drops") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.rules("r2", Firewall::iptables_nft,
              "*filter\n-A INPUT -p tcp --dport 23 -j DROP\n-A INPUT -p tcp --dport 22 -j DROP\n"
              "COMMIT\n");
    auto arguments = explain_arguments(lab, 4, "22,80");
    arguments[5] = lab.address(4, 2, 2);
    const Explained result(lab, run(ksmsctl(lab, arguments)));
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    const auto rule = result.hop("r2", "tcp", 22)["rule"];
    REQUIRE(rule.is_object());
    CHECK(rule["chain"] == "INPUT");
    CHECK(rule["number"] == 2);
    CHECK(result.at_hook("r2", "tcp", 22, "INPUT") == "dropped");
    CHECK(result.verdict("r2", "tcp", 80) == "YES");
    CHECK(result.at_hook("r2", "tcp", 80, "INPUT") == "passed");
    CHECK(result.at_hook("r2", "tcp", 80, "FORWARD") == "-");
}

TEST_CASE("explain: the source's own firewall") {
    for (const auto kind : {Firewall::iptables_nft, Firewall::iptables_legacy}) {
        Lab lab(Pins::with_process);
        build_chain(lab, {.firewalls = false});
        lab.rules("src", kind, "*filter\n-A OUTPUT -p tcp --dport 25 -j DROP\nCOMMIT\n");
        const auto result = explain(lab, 4, "22,25");
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.service("tcp", 25)["result"] == "UNKNOWN");
        const auto hop = result.hop("src", "tcp", 25);
        CHECK(hop["hop"] == 0);
        CHECK(hop["result"] == "NO");
        REQUIRE(hop["rule"].is_object());
        CHECK(hop["rule"]["chain"] == "OUTPUT");
        CHECK(hop["rule"]["number"] == 1);
        CHECK(result.verdict("src", "tcp", 22) == "YES");
    }
}

}  // namespace
