// SPDX-License-Identifier: BSD-2-Clause
// What is read of a firewall's rules, whichever program has made them.
#include "os/firewall_rules.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "lab/lab.hpp"

namespace {

using namespace ksms;
using namespace std::chrono_literals;
using lab::Firewall;
using lab::Lab;

/// "limit tcp 80-80 200 ms", "adds bad any", …
std::vector<std::string> told(const FirewallRules& rules) {
    const auto services = [](const ServiceRange& range) {
        const std::string protocol = range.protocol == IPPROTO_TCP   ? "tcp"
                                     : range.protocol == IPPROTO_UDP ? "udp"
                                                                     : "any";
        std::string ports;
        for (const auto& [first, last] : range.only)
            ports += fmt::format("{}{}-{}", ports.empty() ? "" : ",", first, last);
        if (range.only.empty() && (range.first != 0 || range.last != 65535))
            ports = fmt::format("{}-{}", range.first, range.last);
        return ports.empty() ? protocol : protocol + " " + ports;
    };
    std::vector<std::string> lines;
    for (const auto& limit : rules.limits)
        lines.push_back(fmt::format(
            "{} {} {} ms", limit.by_source ? "limit of each source" : "limit",
            services(limit.services),
            std::chrono::duration_cast<std::chrono::milliseconds>(limit.interval).count()));
    for (const auto& list : rules.lists)
        lines.push_back(fmt::format("{}{}{}{}{}", list.adds ? "adds " : "",
                                    list.removes ? "removes " : "", list.stops ? "stops " : "",
                                    list.passes ? "passes " : "", services(list.services)));
    for (const auto& range : rules.dscp) lines.push_back("dscp " + services(range));
    for (const auto& [range, to] : rules.translations)
        lines.push_back(fmt::format("{} to {}-{}", services(range), to.first, to.last));
    return lines;
}

FirewallRules read_in(const Lab& lab, int family) {
    const auto netns = Netns::open(lab.netns("r1"));
    REQUIRE(netns);
    const auto rules = firewall_rules(*netns, family == 4 ? AF_INET : AF_INET6);
    REQUIRE(rules);
    return *rules;
}

struct Row {
    std::string rule;  ///< of iptables, in FORWARD of filter or mangle
    std::vector<std::string> told;
};

const std::vector<Row>& iptables_rows() {
    static const std::vector<Row> rows{
        {"filter -p tcp --dport 80 -m limit --limit 5/s -j ACCEPT", {"limit tcp 80-80 200 ms"}},
        {"filter -p tcp -m limit --limit 5/s -j LOG", {}},
        {"filter -p udp --dport 53:60 -m hashlimit --hashlimit-upto 10/s --hashlimit-mode srcip "
         "--hashlimit-name a -j ACCEPT",
         {"limit of each source udp 53-60 100 ms"}},
        {"filter -p udp -m hashlimit --hashlimit-above 10/s --hashlimit-mode dstip "
         "--hashlimit-name b -j DROP",
         {"limit udp 100 ms"}},
        {"filter -p tcp -m multiport --dports 22,80,443 -m connlimit --connlimit-above 5 -j DROP",
         {"limit of each source tcp 22-22,80-80,443-443 0 ms"}},
        {"filter -p tcp --dport 23 -m recent --name bad --set -j DROP", {"adds tcp 23-23"}},
        {"filter -p tcp -m recent --name bad --set --dport 23 -j DROP", {"adds tcp"}},
        {"filter -p tcp -m multiport --dports 23,80:90 -m recent --name bad --set",
         {"adds tcp 23-23,80-90"}},
        // A match that nobody knows may remember anything.
        {"filter -p tcp -m bpf --bytecode \"1,6 0 0 0\" -j DROP",
         {"adds tcp", "stops passes tcp", "dscp tcp"}},
        {"filter -p tcp --dport 23 -m recent --name bad --remove -j DROP", {"removes tcp 23-23"}},
        {"filter -p tcp --dport 23 -m limit --limit 5/s -j DROP",
         {"limit tcp 23-23 200 ms", "adds passes tcp 23-23"}},
        {"filter -m recent --name bad --rcheck -j DROP", {"stops passes any"}},
        {"filter -m recent --name bad ! --rcheck -j DROP", {"stops passes any"}},
        {"filter -p tcp -m recent --name bad --update --hitcount 4 -j ACCEPT",
         {"stops passes tcp"}},
        {"filter -p tcp -m recent --name bad --rcheck -j RETURN", {"stops passes tcp"}},
        {"filter -p tcp -m statistic --mode nth --every 2 --packet 0 -j DROP",
         {"adds tcp", "stops passes tcp"}},
        {"filter -p tcp --dport 22 -m dscp --dscp 10 -j DROP", {"dscp tcp 22-22"}},
        {"filter -p tcp --dport 22 -j DROP", {}},
        {"mangle -p tcp -j DSCP --set-dscp 10", {}},
        {"mangle -p tcp -m tos --tos 0x10 -j MARK --set-mark 1", {"dscp tcp"}},
    };
    return rows;
}

}  // namespace

TEST_CASE("firewall rules: iptables-legacy and iptables-nft are read alike") {
    const auto firewall = GENERATE(Firewall::iptables_legacy, Firewall::iptables_nft);
    const int family = GENERATE(4, 6);
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    for (const auto& [rule, expected] : iptables_rows()) {
        const auto space = rule.find(' ');
        const auto table = rule.substr(0, space);
        INFO("IPv" << family << ", legacy " << (firewall == Firewall::iptables_legacy) << ", "
                   << rule);
        lab.rules("r1", firewall,
                  fmt::format("*{}\n-F\n-A FORWARD{}\nCOMMIT\n", table, rule.substr(space)),
                  family);
        const auto rules = read_in(lab, family);
        CHECK(told(rules) == expected);
        const std::string where =
            firewall == Firewall::iptables_legacy
                ? fmt::format("iptables -t {} FORWARD 1", table)
                : fmt::format("{} {} FORWARD handle ", family == 4 ? "ip" : "ip6", table);
        for (const auto& limit : rules.limits) CHECK(limit.rule.starts_with(where));
        for (const auto& list : rules.lists) CHECK(list.rule.starts_with(where));
        lab.rules("r1", firewall, fmt::format("*{}\n-F\nCOMMIT\n", table), family);
    }
}

TEST_CASE("firewall rules: a chain sees what jumps to it") {
    const auto firewall = GENERATE(Firewall::iptables_legacy, Firewall::iptables_nft);
    const int family = GENERATE(4, 6);
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    lab.rules("r1", firewall,
              "*filter\n:OUTER - [0:0]\n:TRAP - [0:0]\n:NOBODY - [0:0]\n"
              "-A FORWARD -p tcp -m multiport --dports 20:30,80 -j OUTER\n"
              "-A FORWARD -p udp --dport 53 -g TRAP\n"
              "-A OUTER -p tcp --dport 23:90 -j TRAP\n"
              "-A OUTER -p udp --dport 69 -j TRAP\n"
              "-A TRAP -m recent --name bad --set -j DROP\n"
              "-A TRAP -p tcp --dport 22 -m recent --name bad --remove\nCOMMIT\n",
              family);
    auto lines = told(read_in(lab, family));
    std::ranges::sort(lines);
    CHECK(lines == std::vector<std::string>{"adds tcp 23-30,80-80", "adds udp 53-53"});
}

TEST_CASE("firewall rules: which services may get another port") {
    const auto firewall = GENERATE(Firewall::iptables_legacy, Firewall::iptables_nft);
    const int family = GENERATE(4, 6);
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    const std::string to = family == 4 ? "10.0.0.1" : "[fd00::1]";
    const std::vector<Row> rows{
        {"PREROUTING -p tcp --dport 80 -j DNAT --to-destination " + to + ":8080",
         {"tcp 80-80 to 8080-8080"}},
        {"PREROUTING -p tcp -j DNAT --to-destination " + to + ":1000-2000", {"tcp to 1000-2000"}},
        {"PREROUTING -p tcp --dport 80 -j DNAT --to-destination " + to, {}},
        {"PREROUTING -p udp -j REDIRECT --to-ports 53", {"udp to 53-53"}},
        {"POSTROUTING -p udp -j MASQUERADE --to-ports 1024-2048", {}},
    };
    for (const auto& [rule, expected] : rows) {
        INFO("IPv" << family << ", " << rule);
        lab.rules("r1", firewall, fmt::format("*nat\n-A {}\nCOMMIT\n", rule), family);
        CHECK(told(read_in(lab, family)) == expected);
    }
    if (firewall == Firewall::iptables_legacy) return;
    for (const bool ported : {false, true}) {
        INFO("nft, IPv" << family << ", " << ported);
        lab.nft("r1", fmt::format("table inet t\ndelete table inet t\ntable inet t {{\nchain p {{\n"
                                  "type nat hook prerouting priority -100\ntcp dport 80 dnat {} to "
                                  "{}{}\n}}\nchain s {{\ntype nat hook postrouting priority 100\n"
                                  "tcp dport 80 snat {} to {}:1024-2048\n}}\n}}\n",
                                  family == 4 ? "ip" : "ip6", to, ported ? ":8080" : "",
                                  family == 4 ? "ip" : "ip6", to));
        const auto expected = ported ? std::vector<std::string>{"tcp 80-80 to 8080-8080"}
                                     : std::vector<std::string>{};
        CHECK(told(read_in(lab, family)) == expected);
    }
}

TEST_CASE("firewall rules: nftables") {
    const std::vector<Row> rows{
        {"tcp dport 80 limit rate 5/second accept", {"limit tcp 80-80 200 ms"}},
        {"limit rate 5/second log", {}},
        {"udp dport 53-60 update @pace { ip saddr limit rate over 10/second } drop",
         {"limit of each source udp 53-60 100 ms", "adds udp 53-60"}},
        {"add @bad { ip saddr } tcp dport 23 accept", {"adds any"}},
        {"tcp dport 23 delete @bad { ip saddr }", {"removes tcp 23-23"}},
        {"tcp dport 23 limit rate 5/second drop",
         {"limit tcp 23-23 200 ms", "adds passes tcp 23-23"}},
        {"meta random & 1 == 0 drop", {"adds any", "stops passes any"}},
        {"meta priority 0:6 drop", {"dscp any"}},
        {"tcp dport 23 add @bad { ip saddr } drop", {"adds tcp 23-23"}},
        {"ip saddr @bad drop", {"stops passes any"}},
        {"ip saddr != @bad drop", {"stops passes any"}},
        {"ip saddr @bad accept", {"stops passes any"}},
        {"ip saddr @bad counter", {}},
        {"ip saddr @limited drop", {"limit of each source any 100 ms", "stops passes any"}},
        {"udp dport 53 numgen inc mod 2 0 drop", {"adds udp 53-53", "stops passes udp 53-53"}},
        {"quota over 10 mbytes drop", {"adds any", "stops passes any"}},
        {"tcp dport 22 ip dscp cs4 drop", {"dscp tcp 22-22"}},
        {"tcp dport 80 ct state new limit rate 5/second accept", {"limit tcp 80-80 200 ms"}},
        {"tcp dport { 23, 2323 } add @bad { ip saddr } drop", {"adds tcp 23-23,2323-2323"}},
        {"udp dport { 53, 1000-2000 } add @bad { ip saddr }", {"adds udp 53-53,1000-2000"}},
        {"tcp dport != { 23, 2323 } add @bad { ip saddr }", {"adds tcp"}},
        {"add @bad { ip saddr } tcp dport { 23, 2323 } accept", {"adds any"}},
        {"ip saddr @scarce drop", {"adds any", "stops passes any", "stops passes any"}},
        {"tcp dport 80 tcp dport set 2323", {"tcp 80-80 to 2323-2323"}},
        {"ip dscp set cs4", {}},
        {"ip dscp cs4 counter", {}},
        {"ip ttl 1 drop", {}},
    };
    Lab lab(ksms::lab::Pins::with_process);
    lab.router("r1");
    lab.nft(
        "r1",
        "table ip t {\nset bad {\ntype ipv4_addr\nflags dynamic\n}\nchain trap {\nadd @bad { ip "
        "saddr } drop\n}\nchain f {\ntype filter hook forward priority 0\ntcp dport { 23, 2323 } "
        "jump trap\nudp dport 69 goto trap\n}\n}\n");
    CHECK(told(read_in(lab, 4)) ==
          std::vector<std::string>{"adds tcp 23-23,2323-2323", "adds udp 69-69"});
    for (const auto& [rule, expected] : rows) {
        INFO(rule);
        lab.nft("r1", fmt::format("flush ruleset\ntable ip t {{\n"
                                  "set bad {{\ntype ipv4_addr\nflags dynamic\n}}\n"
                                  "set pace {{\ntype ipv4_addr\nflags dynamic\n}}\n"
                                  "set limited {{\ntype ipv4_addr\nlimit rate over 10/second\n}}\n"
                                  "set scarce {{\ntype ipv4_addr\nquota over 90 bytes\n}}\n"
                                  "chain f {{\ntype filter hook forward priority 0\n{}\n}}\n}}\n",
                                  rule));
        CHECK(told(read_in(lab, 4)) == expected);
        CHECK(told(read_in(lab, 6)).empty());
    }
    // What is for IPv6 is read for IPv6.
    lab.nft("r1",
            "flush ruleset; table inet t { chain f { type filter hook forward priority 0; ip6 "
            "dscp cs4 drop; }; }");
    CHECK(told(read_in(lab, 6)) == std::vector<std::string>{"dscp any"});
}
