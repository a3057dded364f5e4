// SPDX-License-Identifier: BSD-2-Clause
// Rate limits that do not look as if they concerned the service, or do not drop it themselves.
#include "lab/tiny_program.hpp"
#include "rule_cases.hpp"

namespace {

using namespace ksms::lab;
using How = Step::How;

/// Each lets one TCP packet in 100 ms pass.
const std::vector<RuleCase>& limits_elsewhere() {
    static const std::vector<RuleCase> cases{
        {"behind DNAT to another port",
         {{"r1", How::legacy,
           "*nat\n-A PREROUTING -p tcp --dport 8001:8003 -j DNAT --to-destination :9000\nCOMMIT\n"},
          {"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp --dport 9000 " + kTenASecond +
               "-j ACCEPT\n-A FORWARD -p tcp --dport 9000 -j DROP\nCOMMIT\n"}},
         9000},
        {"behind DNAT at the same router, nft",
         {{"r2", How::nft,
           "table inet t {\nchain p {\ntype nat hook prerouting priority -100\n"
           "tcp dport 8001-8003 dnat IP to DST : 9000\n}\n"
           "chain f {\ntype filter hook forward priority 0\ntcp dport 9000 " +
               kNftTenASecond + "accept\ntcp dport 9000 drop\n}\n}\n"}},
         9000},
        {"a mark that leads to a blackhole",
         {{"r2", How::ip, "route add blackhole NET table 77"},
          {"r2", How::ip, "rule add fwmark 7 table 77"},
          {"r2", How::legacy,
           "*mangle\n-A PREROUTING -p tcp " + kTenASecond +
               "-j RETURN\n-A PREROUTING -p tcp -j MARK --set-mark 7\nCOMMIT\n"}}},
        {"a mark that a rule prohibits, nft",
         {{"r2", How::ip, "rule add fwmark 7 prohibit"},
          {"r2", How::nft,
           "table inet t {\nchain p {\ntype filter hook prerouting priority -150\n"
           "meta l4proto tcp limit rate over 10/second burst 1 packets meta mark set 7\n}\n}\n"}}},
        {"a policer that remarks, and the next router drops that DSCP",
         {{"r1", How::legacy,
           "*mangle\n-A FORWARD -p tcp " + kTenASecond +
               "-j RETURN\n-A FORWARD -p tcp -j DSCP --set-dscp 10\nCOMMIT\n"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n"}}},
        {"a policer that remarks, nft",
         {{"r1", How::nft,
           "table inet t {\nchain f {\ntype filter hook forward priority 0\nmeta l4proto tcp "
           "limit rate over 10/second burst 1 packets IP dscp set 10\n}\n}\n"},
          {"r2", How::nft,
           "table inet t {\nchain f {\ntype filter hook forward priority 0\n"
           "meta l4proto tcp IP dscp 10 drop\n}\n}\n"}}},
        {"at netdev ingress",
         {{"r2", How::nft,
           "table netdev t {\nchain i {\ntype filter hook ingress device eth0 priority 0\n"
           "meta l4proto tcp " +
               kNftTenASecond + "accept\nmeta l4proto tcp drop\n}\n}\n"}}},
        {"at netdev egress",
         {{"r2", How::nft,
           "table netdev t {\nchain i {\ntype filter hook egress device eth1 priority 0\n"
           "meta l4proto tcp " +
               kNftTenASecond + "accept\nmeta l4proto tcp drop\n}\n}\n"}}},
    };
    return cases;
}

void check_all_yes(const RuleCase&, const Scan& result) {
    CHECK(result.count("no") == 0);
    CHECK(result.count("unknown") == 0);
}

/// The same at the source, which only path mode meets.
const std::vector<RuleCase>& limits_at_the_source() {
    static const std::vector<RuleCase> cases{
        {"the source drops",
         {{"src", How::legacy,
           "*filter\n-A OUTPUT -p tcp " + kTenASecond +
               "-j ACCEPT\n-A OUTPUT -p tcp -j DROP\nCOMMIT\n"}}},
        {"the source remarks, and a router drops that DSCP",
         {{"src", How::legacy,
           "*mangle\n-A POSTROUTING -p tcp " + kTenASecond +
               "-j RETURN\n-A POSTROUTING -p tcp -j DSCP --set-dscp 10\nCOMMIT\n"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n"}}},
    };
    return cases;
}

}  // namespace

TEST_CASE("limits: what a limit elsewhere has stopped in the burst passes alone") {
    const auto which = GENERATE(range(std::size_t{0}, limits_elsewhere().size()));
    for_each_case({limits_elsewhere()[which]}, "8001-8003", 8001, {}, check_all_yes);
}

TEST_CASE("limits: what the source itself limits is no NO of a router") {
    for (const auto& each : limits_at_the_source()) {
        for (const int family : {4, 6}) {
            Lab lab(Pins::with_process);
            build_case(lab, each, family, 8001);
            const auto result = ask(lab, two_source(lab, family), two_destination(lab, family),
                                    "8001-8003", by_clsact());
            INFO(each.name << ", IPv" << family << "\n" << result.text());
            CHECK(result.count("no") == 0);
            CHECK(result.result("tcp", 8001) == "YES");
        }
    }
}

namespace {

/// Between r1 and r2, in a namespace of its own or in r2's.
void build_bridge_at(Lab& lab, const std::string& node) {
    lab.host("src");
    lab.router("r1");
    lab.router("r2");
    lab.host("dst");
    if (node == "sw") lab.host("sw");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.ip(node, {"link add br0 type bridge mcast_snooping 0", "link set br0 up"});
    lab.plug({"r1", "eth1", 1}, node, "br0", 2);
    if (node == "sw") {
        lab.plug({"r2", "eth0", 2}, node, "br0", 2);
    } else {
        lab.ip("r2", {fmt::format("addr add {}/29 dev br0", lab.address(4, 2, 2))});
        lab.ip6("r2", {fmt::format("addr add {}/64 dev br0 nodad", lab.address(6, 2, 2))});
    }
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 3, 1);
    lab.route("r1", 3, 2, 2);
    lab.route("r2", 1, 2, 1);
}

/// What is over the limit it drops, or remarks, and r2 drops that.
void limit_at_bridge(const Lab& lab, const std::string& node, int family, bool drops) {
    const std::string type = family == 4 ? "ip" : "ip6";
    const auto match = "meta protocol " + type + " meta l4proto tcp ";
    lab.nft(node, "table bridge t {\nchain p {\ntype filter hook prerouting priority 0\n" + match +
                      "limit rate over 10/second burst 1 packets " +
                      (drops ? "drop" : type + " dscp set 10") + "\n}\n}\n");
    if (!drops)
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp -m dscp --dscp 10 -j DROP\nCOMMIT\n");
}

}  // namespace

TEST_CASE("limits: what a bridge limits is no NO of a router") {
    const std::string node = GENERATE("sw", "r2");
    const bool drops = GENERATE(true, false);
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        given("a packet that comes alone passes", [&] {
            build_bridge_at(lab, node);
            if (!opens(lab, family)) return false;
            limit_at_bridge(lab, node, family, drops);
            return arrives_alone(lab, family, 8001);
        });
        for (const auto& asked : only({"clsact", "isolated"})) {
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), "8001-8003", asked);
            INFO(node << ", drops " << drops << ", IPv" << family << ", " << asked.name << "\n"
                      << result.text());
            CHECK(result.count("no") == 0);
            CHECK(result.count("unknown") == 0);
        }
    }
}

TEST_CASE("limits: what a program limits passes alone, and what it drops is a NO") {
    if (!is_linux(6, 6)) return;
    static constexpr int ingress = 46, egress = 47;  // BPF_TCX_INGRESS, BPF_TCX_EGRESS
    const int at = GENERATE(ingress, egress);
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    Fd program;
    given("a packet that comes alone passes", [&] {
        build_two(lab);
        if (!opens(lab, family)) return false;
        program = attach_limiter(lab.netns("r2"), at == ingress ? "eth0" : "eth1", at);
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n");
        return eventually([&] { return arrives_alone(lab, family, 8001); });
    });
    for (const auto& asked : only({"clsact", "netfilter", "isolated"})) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "8001-8005,22", asked);
        INFO(at << ", IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.count("no") == 1);
        CHECK(result.result("tcp", 22) == "NO");
    }
}
