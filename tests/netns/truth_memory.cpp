// SPDX-License-Identifier: BSD-2-Clause
// Rules that answer by what came before, in forms that are easily overlooked.
#include "lab/explain.hpp"
#include "rule_cases.hpp"

namespace {

using namespace ksms::lab;
using How = Step::How;

std::string nft_rules(const std::string& sets, const std::string& rules) {
    return "table inet t {\n" + sets + "\nchain f {\ntype filter hook forward priority 0\n" +
           rules + "\n}\n}\n";
}

std::string source_set(const std::string& more) {
    return "set s {\ntype ADDR\n" + more + "\n}";
}

/// 80/tcp and 81/tcp pass alone. Of 23, 80 and 81 together they do not all.
const std::vector<RuleCase>& forgetful() {
    static const std::vector<RuleCase> cases{
        {"a statement in front of the port",
         {{"r2", How::nft,
           nft_rules(source_set("flags dynamic"),
                     "IP saddr @s drop\nadd @s { IP saddr } tcp dport 23 accept")}}},
        {"a rule that takes from a list",
         {{"r2", How::nft,
           nft_rules(
               source_set("flags dynamic\nelements = { SRC }"),
               "tcp dport 23 delete @s { IP saddr }\nmeta l4proto tcp IP saddr != @s drop")}}},
        {"a quota of each source",
         {{"r2", How::nft,
           nft_rules(source_set("flags dynamic"),
                     "meta l4proto tcp update @s { IP saddr quota over 90 bytes } drop")}}},
        {"a quota by name",
         {{"r2", How::nft,
           nft_rules("quota q {\nover 90 bytes\n}", "meta l4proto tcp quota name \"q\" drop")}}},
        {"a quota by a map",
         {{"r2", How::nft,
           nft_rules("quota q {\nover 90 bytes\n}\nmap m {\ntype inet_service : quota\n"
                     "elements = { 23 : \"q\", 80 : \"q\", 81 : \"q\" }\n}",
                     "quota name tcp dport map @m drop")}}},
        {"a quota that accepts",
         {{"r2", How::nft,
           nft_rules("", "meta l4proto tcp quota until 150 bytes accept\nmeta l4proto tcp drop")}}},
        {"every second packet is accepted",
         {{"r2", How::nft,
           nft_rules("", "meta l4proto tcp numgen inc mod 2 0 accept\nmeta l4proto tcp drop")}}},
        {"what a list does not have goes on to a remark",
         {{"r1", How::nft,
           nft_rules(source_set("flags dynamic"),
                     "IP saddr != @s accept\nIP dscp set af11\n}\nchain late {\ntype filter hook "
                     "forward priority 10\nmeta l4proto tcp add @s { IP saddr }")},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n"}}},
        {"a rule writes the port that the next router remembers",
         {{"r1", How::nft,
           "table inet t {\nchain p {\ntype filter hook prerouting priority -300\n"
           "tcp dport 23 tcp dport set 2323\n}\n}\n"},
          {"r2", How::nft,
           nft_rules(source_set("flags dynamic"),
                     "IP saddr @s drop\ntcp dport 2323 add @s { IP saddr }")}}},
        {"a list that the router's own refusal fills",
         {{"r2", How::nft,
           nft_rules(source_set("flags dynamic"),
                     "IP saddr @s drop\ntcp dport 23 reject\n}\nchain o {\ntype filter hook "
                     "output priority 0\nmeta l4proto { icmp, ipv6-icmp } add @s { IP daddr }")}}},
        {"a map that gives a mark, and a rule that fills it",
         {{"r2", How::nft,
           nft_rules("map m {\ntype ADDR : mark\nflags dynamic\n}",
                     "meta l4proto tcp meta mark set IP saddr map @m\nmeta mark 7 drop\n"
                     "tcp dport 23 add @m { IP saddr : 7 }")}}},
        {"a list that sets a mark, and a route acts on it",
         {{"r2", How::ip, "rule add fwmark 7 blackhole"},
          {"r2", How::legacy,
           "*mangle\n-A PREROUTING -p tcp -m recent --name bad --rcheck -j MARK --set-mark 7\n"
           "-A PREROUTING -p tcp --dport 23 -m recent --name bad --set\nCOMMIT\n"}}},
        {"a list that remarks, and the next router acts on it",
         {{"r1", How::legacy,
           "*mangle\n-A FORWARD -p tcp -m recent --name bad --rcheck -j DSCP --set-dscp 10\n"
           "-A FORWARD -p tcp --dport 23 -m recent --name bad --set\nCOMMIT\n"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n"}}},
        {"the connections of each source are counted",
         {{"r2", How::nft,
           nft_rules(source_set("flags dynamic"),
                     "ct state new meta l4proto tcp add @s { IP saddr ct count over 1 } drop")}}},
        {"a balancer with one dead end",
         {{"r2", How::nft,
           "table inet t {\nchain p {\ntype nat hook prerouting priority -100\nmeta l4proto tcp "
           "dnat IP to numgen inc mod 2 map { 0 : DST, 1 : SRC }\n}\n}\n"}}},
        {"a list behind DNAT",
         {{"r1", How::legacy,
           "*nat\n-A PREROUTING -p tcp --dport 23 -j DNAT --to-destination :2323\nCOMMIT\n"},
          {"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp -m recent --name bad --rcheck -j DROP\n"
           "-A FORWARD -p tcp --dport 2323 -m recent --name bad --set -j ACCEPT\nCOMMIT\n"}}},
        {"a chain that another one jumps to by a list",
         {{"r2", How::legacy,
           "*filter\n:BAD - [0:0]\n-A BAD -j DROP\n"
           "-A FORWARD -p tcp -m recent --name bad --rcheck -g BAD\n"
           "-A FORWARD -p tcp --dport 23 -m recent --name bad --set\nCOMMIT\n"}}},
    };
    return cases;
}

/// 80/tcp and 81/tcp do not pass alone; of several some would.
const std::vector<RuleCase>& generous() {
    const std::string limit = "-m limit --limit 1/minute --limit-burst 1 ";
    static const std::vector<RuleCase> cases{
        {"a limit that drops what comes slowly",
         {{"r2", How::legacy, "*filter\n-A FORWARD -p tcp " + limit + "-j DROP\nCOMMIT\n"}},
         0,
         0,
         true},
        {"a limit that jumps to a drop",
         {{"r2", How::legacy,
           "*filter\n:BAD - [0:0]\n-A BAD -j LOG\n-A BAD -j DROP\n-A FORWARD -p tcp " + limit +
               "-j BAD\nCOMMIT\n"}},
         0,
         0,
         true},
        {"every second packet is dropped",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp -m statistic --mode nth --every 2 --packet 0 -j DROP\n"
           "COMMIT\n"}},
         0,
         0,
         true},
        {"a quota that drops until it is used up",
         {{"r2", How::nft, nft_rules("", "meta l4proto tcp quota until 150 bytes drop")}},
         0,
         0,
         true},
        {"a list that opens",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp --dport 23 -m recent --name ok --set -j DROP\n"
           "-A FORWARD -p tcp -m recent --name ok --rcheck -j ACCEPT\n"
           "-A FORWARD -p tcp -j DROP\nCOMMIT\n"}},
         0,
         0,
         true},
    };
    return cases;
}

/// 80/tcp and 81/tcp do not pass alone, and a burst does.
const std::vector<RuleCase>& marking() {
    static const std::vector<RuleCase> cases{
        {"a limit that marks for a drop, nft",
         {{"r2", How::nft,
           "table inet t {\nchain p {\ntype filter hook prerouting priority -150\nmeta l4proto "
           "tcp limit rate 1/minute burst 1 packets meta mark set 7\n}\nchain f {\ntype filter "
           "hook forward priority 0\nmeta mark 7 drop\n}\n}\n"}},
         0,
         0,
         true},
        {"a limit that marks for a drop, iptables-legacy",
         {{"r2", How::legacy,
           "*mangle\n-A PREROUTING -p tcp -m limit --limit 1/min --limit-burst 1 -j MARK "
           "--set-mark 7\nCOMMIT\n*filter\n-A FORWARD -m mark --mark 7 -j DROP\nCOMMIT\n"}},
         0,
         0,
         true},
    };
    return cases;
}

}  // namespace

TEST_CASE("truth: what a rule remembers in an odd form is no NO") {
    const auto which = GENERATE(range(std::size_t{0}, forgetful().size()));
    for_each_case({forgetful()[which]}, "23,80,81", 80, {},
                  [](const RuleCase&, const Scan& result) {
                      for (const int port : {80, 81}) CHECK(result.result("tcp", port) != "NO");
                  });
}

TEST_CASE("truth: what passes for what came before is no YES") {
    const auto which = GENERATE(range(std::size_t{0}, generous().size()));
    for_each_case({generous()[which]}, "23,80,81", 80, {}, [](const RuleCase&, const Scan& result) {
        for (const int port : {80, 81}) CHECK(result.result("tcp", port) != "YES");
    });
}

TEST_CASE("truth: what a limit marks for a drop is no YES") {
    const auto which = GENERATE(range(std::size_t{0}, marking().size()));
    for_each_case({marking()[which]}, "23,80,81", 80, {}, [](const RuleCase&, const Scan& result) {
        for (const int port : {80, 81}) CHECK(result.result("tcp", port) != "YES");
    });
}

/// No router has to do with the source's own rules, and none tells of them in isolated mode.
TEST_CASE("truth: a source that remarks whom its list does not have") {
    const RuleCase rules{
        "remarks",
        {{"src", How::nft,
          "table inet t {\n" + source_set("flags dynamic") +
              "\nchain o {\ntype filter hook output priority 0\nIP saddr @s accept\n"
              "meta l4proto tcp add @s { IP saddr }\nIP dscp set af11\n}\n}\n"},
         {"r2", How::legacy, "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n"}},
        0,
        0,
        true};
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_case(lab, rules, family, 80);
    const auto result =
        scan(lab, two_source(lab, family), two_destination(lab, family), "23,80,81");
    INFO(result.text());
    for (const int port : {80, 81}) CHECK(result.result("tcp", port) != "YES");
}

TEST_CASE("truth: explain, and its own probe of another service sets off a trap") {
    Lab lab(Pins::with_process);
    given("80/tcp passes", [&] {
        build_two(lab);
        lab.nft("r2", filled_in(lab, 4,
                                nft_rules(source_set("flags dynamic"),
                                          "IP saddr @s drop\ntcp dport 23 add @s { IP saddr }")));
        return arrives_alone(lab, 4, 80);
    });
    const Explained result(lab, run(ksmsctl(lab, {"explain", "-j", "-s", two_source(lab, 4), "-d",
                                                  two_destination(lab, 4), "-P", "23,80,81"})));
    INFO(result.text());
    for (const int port : {80, 81})
        CHECK(result.service("tcp", port)["result"].get<std::string>() == "UNKNOWN");
}
