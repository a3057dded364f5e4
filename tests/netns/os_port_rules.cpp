// SPDX-License-Identifier: BSD-2-Clause
// Which destination ports the rules of a firewall tell apart, whichever program has made them.
#include "os/port_rules.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "lab/lab.hpp"

namespace {

using namespace ksms;
using lab::Firewall;
using lab::Lab;

/// "tcp 80", "any 1-5,7", …; "unread" where a rule may tell ports apart in another way.
using PortLines = std::vector<std::string>;

PortLines questions_in(const PortRules& rules) {
    if (!rules.unread.empty()) return {"unread"};
    PortLines lines;
    for (const auto& [protocol, ports] : rules.questions) {
        std::string text;
        for (const auto& [first, last] : ports) {
            text += fmt::format("{}{}", text.empty() ? "" : ",", first);
            if (first != last) text += fmt::format("-{}", last);
        }
        const auto* name = protocol == IPPROTO_TCP   ? "tcp"
                           : protocol == IPPROTO_UDP ? "udp"
                                                     : "any";
        lines.push_back(fmt::format("{} {}", name, text));
    }
    std::ranges::sort(lines);
    return lines;
}

PortRules port_rules_in(const Lab& lab, int family) {
    const auto netns = Netns::open(lab.netns("r1"));
    REQUIRE(netns);
    const auto rules = port_rules(*netns, family == 4 ? AF_INET : AF_INET6);
    REQUIRE(rules);
    return *rules;
}

struct PortRow {
    std::string rule;
    PortLines lines;
};

TEST_CASE("port rules: iptables") {
    const int family = GENERATE(4, 6);
    const auto firewall = GENERATE(Firewall::iptables_nft, Firewall::iptables_legacy);
    const std::vector<PortRow> rows{
        {"filter -A FORWARD -p tcp --dport 80 -j DROP", {"tcp 80"}},
        {"filter -A FORWARD -p tcp ! --dport 80 -j DROP", {"tcp 80"}},
        {"filter -A FORWARD -p udp --dport 53:60 -j ACCEPT", {"udp 53-60"}},
        {"filter -A FORWARD -p tcp --sport 1:1023 -j DROP", {}},
        {"filter -A FORWARD -p tcp -m multiport --dports 22,80:90,443 -j DROP",
         {"tcp 22,80-90,443"}},
        {"filter -A FORWARD -p tcp -m multiport ! --dports 22 -j DROP", {"tcp 22"}},
        {"filter -A FORWARD -p udp -m multiport --ports 22 -j DROP", {"udp 22"}},
        {"filter -A FORWARD -p udp -m multiport --sports 22 -j DROP", {}},
        {"filter -A FORWARD -m conntrack --ctstate NEW -j ACCEPT", {}},
        {"filter -A FORWARD -p tcp -m conntrack --ctorigdstport 80 -j DROP", {"unread"}},
        {"filter -A FORWARD -m statistic --mode random --probability 0.5 -j DROP", {"unread"}},
        {"filter -A FORWARD -p tcp -m hashlimit --hashlimit-above 1/s --hashlimit-mode srcip "
         "--hashlimit-name a -j DROP",
         {}},
        {"filter -A FORWARD -p tcp -m hashlimit --hashlimit-above 1/s --hashlimit-mode dstport "
         "--hashlimit-name b -j DROP",
         {"unread"}},
        {"filter -A FORWARD -m u32 --u32 0=1 -j DROP", {"unread"}},
        {"filter -A FORWARD -m string --string x --algo bm -j DROP", {"unread"}},
        {"filter -A FORWARD -j DROP", {}},
        {"filter -A FORWARD -p tcp --dport 80 -m limit --limit 5/s -j LOG", {"tcp 80"}},
        {"mangle -A PREROUTING -p tcp --dport 9 -j MARK --set-mark 4", {"tcp 9"}},
        {"nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080", {"tcp 80"}},
        {"nat -A PREROUTING -p tcp -j REDIRECT --to-ports 8080-8090", {"unread"}},
        {"nat -A POSTROUTING -j MASQUERADE", {}},
    };
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    for (const auto& [rule, expected] : rows) {
        const auto table = rule.substr(0, rule.find(' '));
        INFO("IPv" << family << ", " << rule);
        lab.rules("r1", firewall,
                  fmt::format("*{}\n{}\nCOMMIT\n", table, rule.substr(table.size() + 1)), family);
        CHECK(questions_in(port_rules_in(lab, family)) == expected);
        lab.rules("r1", firewall, fmt::format("*{}\nCOMMIT\n", table), family);
    }
}

TEST_CASE("port rules: nftables") {
    const std::vector<PortRow> rows{
        {"tcp dport 80 drop", {"tcp 80"}},
        {"tcp dport != 80 drop", {"tcp 80"}},
        {"th dport 80 drop", {"any 80"}},
        {"tcp dport < 1024 drop", {"tcp 0-1023"}},
        {"tcp dport <= 1024 drop", {"tcp 0-1024"}},
        {"tcp dport > 1024 drop", {"tcp 0-1024"}},
        {"tcp dport >= 1024 drop", {"tcp 0-1023"}},
        {"udp dport 53-60 accept", {"udp 53-60"}},
        {"udp dport != 53-60 accept", {"udp 53-60"}},
        {"tcp dport { 22, 80, 443 } accept", {"tcp 22,80,443"}},
        {"tcp dport { 22, 80-90, 60000-65535 } accept", {"tcp 22,80-90,60000-65535"}},
        {"tcp dport @ports accept", {"tcp 7,9"}},
        {"tcp dport @spans accept", {"tcp 100-200"}},
        {"tcp dport vmap { 22 : accept, 23 : drop }", {"tcp 22", "tcp 23"}},
        {"tcp dport vmap { 1-9 : accept, 10-19 : drop }", {"tcp 1-9", "tcp 10-19"}},
        {"tcp dport vmap { 1-9 : accept, 60000-65535 : drop }", {"tcp 1-9", "tcp 60000-65535"}},
        {"ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 443 } drop", {"tcp 443", "tcp 80"}},
        {"ip saddr . tcp dport { 10.0.0.0/8 . 80-90 } drop", {"tcp 80-90"}},
        {"tcp sport 1024 tcp dport 80 drop", {"tcp 80"}},
        {"tcp sport 1024 drop", {}},
        {"tcp flags syn drop", {}},
        {"tcp dport 80 ip saddr 10.0.0.0/8 drop", {"tcp 80"}},
        {"ip saddr 10.0.0.0/8 meta mark set mark and 0xff drop", {}},
        {"tcp dport 80 meta mark set 7", {"tcp 80"}},
        {"ct state established,related accept", {}},
        {"iifname \"eth0\" oifname \"eth1\" udp dport 53 accept", {"udp 53"}},
        {"meta l4proto tcp ct original proto-dst 80 drop", {"tcp 80"}},
        {"tcp flags & (syn | ack) == syn drop", {}},
        {"tcp option maxseg size 1-500 drop", {}},
        {"th dport vmap { 150 : drop } meta l4proto tcp accept", {"any 150"}},
        {"th dport { 53, 54 } meta mark set 7 meta l4proto tcp accept", {"any 53,54"}},
        {"tcp dport @counted drop", {"tcp 7,9"}},
        {"tcp dport @limited drop", {"tcp 7", "tcp 9"}},
        {"ip6 daddr fd00::1 tcp dport 80 drop", {}},
        {"meta mark set ip saddr map { 10.0.0.1 : 7 }", {}},
        {"meta mark set tcp dport map { 80 : 7, 81 : 8 }", {"tcp 80", "tcp 81"}},
        {"fib daddr type local drop", {}},
        {"jhash ip saddr mod 2 0 drop", {}},
        {"tcp dport 80 limit rate 5/second accept", {"tcp 80"}},
        // What cannot be followed.
        {"tcp dport & 1 == 1 drop", {"unread"}},
        {"udp length > 1000 drop", {"unread"}},
        {"tcp sequence 7 drop", {"unread"}},
        {"udp checksum 7 drop", {"unread"}},
        {"@th,160,32 7 drop", {"unread"}},
        {"ct helper \"ftp\" drop", {"unread"}},
        {"ct expectation set \"later\"", {"unread"}},
        {"meta l4proto tcp meta mark set ip saddr . tcp dport map { 10.0.0.1 . 80 : 7 }",
         {"unread"}},
        {"jhash tcp dport mod 2 0 drop", {"unread"}},
        {"symhash mod 2 0 drop", {"unread"}},
        {"numgen random mod 2 0 drop", {"unread"}},
        {"meta random & 1 == 0 drop", {"unread"}},
        {"meta cpu 0 drop", {"unread"}},
        {"@nh,176,16 80 drop", {"unread"}},
        {"@ll,288,16 80 drop", {"unread"}},
        {"tcp dport 80 update @seen { tcp dport }", {"unread"}},
        {"tcp dport set 80", {}},
    };
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    for (const auto& [rule, expected] : rows) {
        INFO(rule);
        lab.nft("r1", fmt::format(
                          "flush ruleset\ntable inet t {{\n"
                          "set ports {{\ntype inet_service\nelements = {{ 7, 9 }}\n}}\n"
                          "set spans {{\ntype inet_service\nflags interval\nelements = {{ 100-200 "
                          "}}\n}}\nset seen {{\ntype inet_service\nflags dynamic\n}}\n"
                          "set counted {{\ntype inet_service\ncounter\nelements = {{ 7, 9 }}\n}}\n"
                          "set limited {{\ntype inet_service\nlimit rate 1/second\nelements = "
                          "{{ 7, 9 }}\n}}\nct expectation later {{\nprotocol tcp\ndport 9\n"
                          "timeout 1h\nsize 9\nl3proto ip\n}}\n"
                          "chain f {{\ntype filter hook forward priority 0\n{}\n}}\n}}\n",
                          rule));
        CHECK(questions_in(port_rules_in(lab, 4)) == expected);
    }
}

TEST_CASE("port rules: what nftables translates") {
    const std::vector<PortRow> rows{
        {"tcp dport 80 dnat ip to 10.0.0.1", {"tcp 80"}},
        {"tcp dport 80 dnat ip to 10.0.0.1:8080", {"tcp 80"}},
        {"tcp dport 80 dnat ip to 10.0.0.1:8000-8080", {"unread"}},
        {"dnat ip to tcp dport map { 80 : 10.0.0.1, 443 : 10.0.0.2 }", {"tcp 443", "tcp 80"}},
        {"meta l4proto tcp redirect to :tcp dport map { 80 : 8080 }", {"unread"}},
    };
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    for (const auto& [rule, expected] : rows) {
        INFO(rule);
        lab.nft("r1", fmt::format("flush ruleset\ntable inet t {{\nchain f {{\n"
                                  "type nat hook prerouting priority dstnat\n{}\n}}\n}}\n",
                                  rule));
        CHECK(questions_in(port_rules_in(lab, 4)) == expected);
    }
    // A table of the other family, and a rule of the bridge for it.
    lab.nft("r1",
            "flush ruleset; table ip6 t { chain f { type filter hook forward priority 0; tcp dport "
            "80 drop; }; }; table bridge b { chain f { type filter hook forward priority 0; ether "
            "type ip6 udp dport 53 drop; }; }");
    CHECK(questions_in(port_rules_in(lab, 4)).empty());
    CHECK(questions_in(port_rules_in(lab, 6)) == PortLines{"tcp 80", "udp 53"});
}

}  // namespace
