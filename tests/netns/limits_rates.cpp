// SPDX-License-Identifier: BSD-2-Clause
// Firewalls that limit rates: what passes alone is no NO, what is stopped alone stays one.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

struct Limiter {
    const char* name;
    const char* router;  ///< of the chain: r1 iptables-nft, r2 iptables-legacy, r3 nftables
    std::string rules;
};

std::string iptables(const std::string& limit) {
    return "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp --dport 23 -j DROP\n"
           "-A FORWARD -p tcp " +
           limit + " -m comment --comment lim -j ACCEPT\n-A FORWARD -p tcp -j DROP\nCOMMIT\n";
}

std::string nftables(const std::string& rules) {
    return "table inet ksms_lab {\nchain forward {\ntype filter hook forward priority 0\n"
           "tcp dport 23 drop\n" +
           rules + "\n}\n}\n";
}

const std::vector<Limiter>& limiters() {
    static const std::string limit = "-m limit --limit 10/s --limit-burst 3";
    static const std::string hashlimit =
        "-m hashlimit --hashlimit-upto 10/s --hashlimit-burst 3 --hashlimit-mode srcip "
        "--hashlimit-name ksms";
    static const std::vector<Limiter> all{
        {"limit, iptables-nft", "r1", iptables(limit)},
        {"hashlimit, iptables-nft", "r1", iptables(hashlimit)},
        {"limit, iptables-legacy", "r2", iptables(limit)},
        {"hashlimit, iptables-legacy", "r2", iptables(hashlimit)},
        {"limit rate, nftables", "r3",
         nftables("meta l4proto tcp limit rate 10/second burst 3 packets counter accept\n"
                  "meta l4proto tcp drop")},
        {"limit rate over, nftables", "r3",
         nftables("meta l4proto tcp limit rate over 10/second burst 3 packets drop\n"
                  "meta l4proto tcp counter accept")},
    };
    return all;
}

void install(Lab& lab, const Limiter& limiter) {
    const std::string router = limiter.router;
    if (router == "r3")
        lab.nft(router, limiter.rules);
    else
        lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
                  limiter.rules, 4);
}

/// Packets that the limiting rule let pass, by its own counter.
int let_pass(const Lab& lab, const Limiter& limiter) {
    const std::string router = limiter.router;
    std::string text;
    if (router == "r3")
        text = lab.in(router, {"nft", "list", "ruleset"});
    else
        text = lab.in(router, {router == "r1" ? "iptables-nft" : "iptables-legacy", "-nvxL"});
    std::smatch found;
    const std::regex pattern(router == "r3" ? R"(counter packets (\d+))"
                                            : R"((\d+) +\d+ ACCEPT .*lim)");
    return std::regex_search(text, found, pattern) ? std::stoi(found[1]) : -1;
}

TEST_CASE("limits: a burst meets a rate limit, and every service gets the answer it has alone") {
    const auto& limiter = limiters()[GENERATE(range(std::size_t{0}, std::size_t{6}))];
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    install(lab, limiter);
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80-89,23,53/udp");
    INFO(limiter.name << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("yes") == 11);
    CHECK(result.count("no") == 1);
    CHECK(let_pass(lab, limiter) >= 10);
    CHECK(result.verdict(limiter.router, "tcp", 23) == "NO");
    int limited = 0;
    for (int port = 80; port < 90; ++port) {
        CHECK(result.result("tcp", port) == "YES");
        limited += result.has_note(limiter.router, "tcp", port, "rate-limited") ? 1 : 0;
        CHECK_FALSE(result.has_note("r1" == std::string(limiter.router) ? "r2" : "r1", "tcp", port,
                                    "rate-limited"));
    }
    CHECK(limited >= 4);
    CHECK(limited <= 9);
}

TEST_CASE("limits: a limit on connections counts none that an earlier probe has left") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.destination = false, .firewalls = false});
    const std::string above = "-m connlimit --connlimit-above 3 --connlimit-mask 32 -j DROP";
    if (router == "r3")
        lab.nft(router, nftables("meta l4proto tcp ct count over 3 drop"));
    else
        lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\n-A FORWARD -p tcp " + above +
                      "\nCOMMIT\n",
                  4);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80-89,23");
    INFO(router << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("yes") == 10);
    CHECK(result.count("no") == 1);
}

TEST_CASE("limits: where the time is too short for a limit, what is not known is UNKNOWN") {
    const auto& limiter = limiters()[GENERATE(std::size_t{0}, std::size_t{2}, std::size_t{4})];
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    install(lab, limiter);
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80-119", {"--timeout", "0.05"});
    INFO(limiter.name << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("no") == 0);
    CHECK(result.count("unknown") > 0);
    CHECK(result.count("yes") >= 3);
    CHECK(let_pass(lab, limiter) >= result.count("yes"));
    for (int port = 80; port < 120; ++port) {
        if (result.result("tcp", port) == "YES") continue;
        CHECK(result.at(limiter.router, "tcp", port)["reason"] == "lost");
        CHECK(result.has_note(limiter.router, "tcp", port, "rate-limited"));
    }
}

TEST_CASE("limits: two routers that limit rates, one behind the other") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    install(lab, limiters()[0]);
    install(lab, limiters()[4]);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80-89,23");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("yes") == 10);
    CHECK(result.count("no") == 1);
}

TEST_CASE("limits: a limit on what is logged is none on what passes, and costs no time") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    for (const auto& [router, kind] :
         {std::pair("r1", Firewall::iptables_nft), std::pair("r2", Firewall::iptables_legacy)})
        lab.rules(router, kind,
                  "*filter\n-A FORWARD -p icmp -m limit --limit 1/s -j ACCEPT\n"
                  "-A FORWARD -m limit --limit 1/minute -j NFLOG\n"
                  "-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n",
                  4);
    lab.nft("r3", nftables("limit rate 1/minute log group 5\ntcp dport 25 drop"));
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,23,25");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.result("tcp", 22) == "YES");
    for (const int port : {23, 25}) {
        CHECK(result.result("tcp", port) == "NO");
        CHECK(result.end("tcp", port)["notes"].empty());
    }
}

void check_unknown(const Scan& result, const std::string& router, int port) {
    INFO(port << "/tcp");
    CHECK(result.result("tcp", port) == "UNKNOWN");
    CHECK(result.at(router, "tcp", port)["result"] == "UNKNOWN");
    CHECK(result.at(router, "tcp", port)["reason"] == "lost");
    CHECK(result.has_note(router, "tcp", port, "rate-limited"));
}

TEST_CASE("limits: what a limit stopped that is slower than one may wait for is UNKNOWN") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.rules("r1", Firewall::iptables_nft, iptables("-m limit --limit 1/minute --limit-burst 1"));
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80,81,82,53/udp");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.result("tcp", 80) == "YES");
    check_unknown(result, "r1", 81);
    check_unknown(result, "r1", 82);
    CHECK(result.result("udp", 53) == "YES");
    REQUIRE(result.field("warnings").size() == 1);
    const auto warning = result.field("warnings")[0].get<std::string>();
    CHECK(warning.find(lab.netns("r1")) != std::string::npos);
    CHECK(warning.find("one packet in 63 s") != std::string::npos);
    CHECK(warning.find("--timeout 4.21 or longer") != std::string::npos);
    for (const int port : {81, 82}) CHECK(result.end("tcp", port)["sent"] == 1);
}

/// Ports 22 and 23 by one limit, 80 to 84 by another; 25 is dropped by no limit.
void limit_twice(Lab& lab, const std::string& router) {
    struct Range {
        const char *ports, *limit, *nft_ports, *nft_limit;
    };
    std::string legacy = "*filter\n", nft;
    for (const auto& [ports, limit, nft_ports, nft_limit] :
         {Range{"22:23", "1/minute", "22-23", "1/minute"},
          Range{"80:84", "10/s", "80-84", "10/second"}}) {
        const auto match = std::string("-A FORWARD -p tcp --dport ") + ports;
        legacy += match + " -m limit --limit " + limit + " --limit-burst 1 -j ACCEPT\n" + match +
                  " -j DROP\n";
        const auto expression = std::string("tcp dport ") + nft_ports;
        nft += expression + " limit rate " + nft_limit + " burst 1 packets accept\n" + expression +
               " drop\n";
    }
    if (router == "r3")
        lab.nft(router, nftables(nft + "tcp dport 25 drop"));
    else
        lab.rules(router, router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy,
                  legacy + "-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n", 4);
}

TEST_CASE("limits: two limits at one router, and each service waits for its own") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    limit_twice(lab, router);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,23,80-84,25",
                             {"--timeout", "0.3"});
    INFO(router << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.result("tcp", 22) == "YES");
    check_unknown(result, router, 23);
    for (int port = 80; port < 85; ++port) CHECK(result.result("tcp", port) == "YES");
    CHECK(result.verdict(router, "tcp", 25) == "NO");
    CHECK(result.end("tcp", 25)["notes"].empty());
}

TEST_CASE("limits: where one router takes all the time, what another stopped is no NO") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    install(lab, limiters()[0]);
    // Fast enough for the time, were it alone.
    lab.nft("r3", nftables("udp dport 53-55 limit rate 2/second burst 1 packets accept\n"
                           "udp dport 53-55 drop\nudp dport 67 drop"));
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4),
                             "80-119,53-55/udp,67/udp", {"--timeout", "0.05"});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.count("no") == 1);
    CHECK(result.result("udp", 67) == "NO");
    CHECK(result.result("udp", 53) == "YES");
    for (const int port : {54, 55}) {
        CHECK(result.result("udp", port) == "UNKNOWN");
        CHECK(result.has_note("r3", "udp", port, "rate-limited"));
    }
}

}  // namespace
