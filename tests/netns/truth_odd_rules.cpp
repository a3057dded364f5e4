// SPDX-License-Identifier: BSD-2-Clause
// Configurations of routers that are real and not simple: every verdict is that of plain packets.
#include "rule_cases.hpp"

namespace {

using namespace ksms::lab;
using How = Step::How;

const std::vector<PlainService> kAsked{{"tcp", 22}, {"tcp", 23}, {"tcp", 80}, {"udp", 53}};
const std::string kAskedPorts = "22,23,80,53/udp";

std::string forward(const std::string& before, const std::string& rules) {
    return "table inet t {\n" + before + "\nchain f {\ntype filter hook forward priority 0\n" +
           rules + "\n}\n}\n";
}

/// Some of the four services pass in each, and some do not.
const std::vector<RuleCase>& odd_rules() {
    static const std::vector<RuleCase> cases{
        {"a verdict map of ports",
         {{"r2", How::nft,
           forward("map m {\ntype inet_proto . inet_service : verdict\nelements = { tcp . 22 : "
                   "drop, tcp . 80 : accept, udp . 53 : drop }\n}",
                   "meta l4proto . th dport vmap @m")}}},
        {"a set with a timeout",
         {{"r2", How::nft,
           forward(
               "set s {\ntype inet_service\nflags timeout\ntimeout 1h\nelements = { 22, 53 }\n}",
               "th dport @s drop")}}},
        {"connection tracking zones and a mark from the connection",
         {{"r2", How::nft,
           "table inet t {\nchain p {\ntype filter hook prerouting priority -300\n"
           "tcp dport 22 ct zone set 5\n}\nchain m {\ntype filter hook prerouting priority -150\n"
           "tcp dport 22 ct mark set 9\nmeta mark set ct mark\n}\nchain f {\n"
           "type filter hook forward priority 0\nmeta mark 9 drop\n}\n}\n"}}},
        {"what is not tracked is no new connection",
         {{"r2", How::legacy,
           "*raw\n-A PREROUTING -p tcp --dport 23 -j CT --notrack\nCOMMIT\n*filter\n"
           "-A FORWARD -m conntrack --ctstate UNTRACKED -j DROP\n"
           "-A FORWARD -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP\nCOMMIT\n"}}},
        {"invalid in connection tracking",
         {{"r2", How::nft, forward("", "ct state invalid drop\ntcp dport 22 ct state new drop")}}},
        {"the way back is asked for (fib)",
         {{"r2", How::nft,
           forward("",
                   "tcp dport 22 fib saddr . iif oif 0 accept\n"
                   "tcp dport 22 fib saddr . iif oif exists drop\n"
                   "fib daddr type != unicast drop")}}},
        {"a policy route by the source's port and protocol",
         {{"r2", How::ip, "rule add ipproto udp dport 53 blackhole"},
          {"r2", How::ip, "rule add sport 1-1000 prohibit"}}},
        {"a policy route by interface and UID",
         {{"r2", How::ip, "rule add iif eth0 ipproto tcp dport 22-23 unreachable"},
          {"r1", How::ip, "rule add uidrange 0-0 iif lo prohibit"}}},
        {"a blackhole by a next-hop object",
         {{"r2", How::ip, "nexthop add id 77 blackhole"},
          {"r2", How::ip, "route add NET table 77 nhid 77"},
          {"r2", How::ip, "rule add ipproto tcp dport 80 table 77"}}},
        {"a next-hop object to the way",
         {{"r1", How::ip, "nexthop add id 78 via GATE dev eth1"},
          {"r1", How::ip, "route replace NET nhid 78"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n"}}},
        {"a route with a worse metric behind a dead link",
         {{"r1", How::command,
           "sysctl -qw net.ipv4.conf.all.ignore_routes_with_linkdown=1 "
           "net.ipv6.conf.all.ignore_routes_with_linkdown=1; "
           "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up; "
           "ip IPFLAG route add NET dev d0 metric 1; ip link set d1 down"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n"}}},
        {"a length, a TTL and an MSS",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp --dport 22 -m length --length 0:39 -j DROP\n"
           "-A FORWARD -p tcp --dport 23 -m tcpmss --mss 1:2000 -j DROP\n"
           "-A FORWARD -p tcp --dport 80 ! --syn -j DROP\nCOMMIT\n"}}},
        {"options of a SYN",
         {{"r2", How::nft,
           forward("",
                   "tcp dport 22 tcp option maxseg exists drop\n"
                   "tcp dport 23 tcp option sack-perm exists drop\n"
                   "tcp dport 80 tcp window < 1000 drop")}}},
        {"what the source port says",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp --sport 1:1023 -j DROP\n"
           "-A FORWARD -p tcp --dport 23 --sport 1024:65535 -j DROP\nCOMMIT\n"}}},
        {"a daddr by the prefix and a packet type",
         {{"r2", How::nft,
           forward("",
                   "meta pkttype broadcast drop\nIP daddr NET tcp dport 22 drop\n"
                   "meta iifname \"eth0\" meta oifname \"eth1\" tcp dport 80 drop")}}},
        {"a queue that nobody reads, with bypass",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp --dport 22 -j NFQUEUE --queue-num 7 --queue-bypass\n"
           "-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n"}}},
        {"the reverse path filter is strict, and the way back is another",
         {{"r2", How::command,
           "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1; "
           "ip route replace SRC dev eth1"}},
         0,
         4,
         true},
        {"the reverse path filter is loose",
         {{"r2", How::command,
           "sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2; "
           "ip route replace SRC dev eth1"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n"}},
         0,
         4},
        {"IPv6 routing headers and fragments",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -m rt --rt-type 0 -j DROP\n-A FORWARD -m frag --fragid "
           "0:4294967295 "
           "-j DROP\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n"}},
         0,
         6},
        {"the shape of a SYN: length, options, DF",
         {{"r2", How::nft,
           forward("",
                   "tcp dport 22 meta length != { 60, 80 } drop\n"
                   "tcp dport 23 tcp option timestamp missing drop\n"
                   "tcp dport 80 ip frag-off & 0x4000 == 0 drop\n"
                   "udp dport 53 meta length < 9 drop")}}},
        {"the shape of a SYN: window, urgent pointer, sequence",
         {{"r2", How::nft,
           forward("",
                   "tcp dport 22 tcp window != 64240-65535 drop\n"
                   "tcp dport 23 tcp urgptr != 0 drop\ntcp dport 23 tcp ackseq != 0 drop\n"
                   "tcp dport 80 tcp option window missing drop")}}},
        {"a flow label",
         {{"r2", How::nft,
           forward("", "tcp dport 22 ip6 flowlabel 0 drop\nudp dport 53 ip6 flowlabel 0 drop")}},
         0,
         6},
        {"a TTL that the source's packets have",
         {{"r2", How::legacy,
           "*filter\n-A FORWARD -p tcp --dport 22 -m ttl --ttl-lt 63 -j DROP\n"
           "-A FORWARD -p tcp --dport 23 -m ttl --ttl-gt 62 -j DROP\nCOMMIT\n"}},
         0,
         4},
        {"one interface that does not forward",
         {{"r2", How::command, "sysctl -qw net.ipv4.conf.eth0.forwarding=0"}},
         0,
         4,
         true},
        {"link-local next hops",
         {{"r2", How::command, "ip addr add fe80::2/64 dev eth0 nodad"},
          {"r1", How::command, "ip IPFLAG route replace NET via inet6 fe80::2 dev eth1"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n"}}},
        {"a throw route and a goto of routing rules",
         {{"r2", How::ip, "rule add pref 100 iif eth0 goto 300"},
          {"r2", How::ip, "rule add pref 200 prohibit"},
          {"r2", How::ip, "rule add pref 300 ipproto tcp dport 22 table 77"},
          {"r2", How::ip, "rule add pref 301 ipproto tcp dport 23 table 78"},
          {"r2", How::ip, "route add throw NET table 77"},
          {"r2", How::ip, "route add unreachable NET table 78"}}},
        {"only the default route is passed over",
         {{"r2", How::ip, "rule add pref 100 table main suppress_prefixlength 0"},
          {"r2", How::ip, "rule add pref 101 prohibit"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n"}}},
        {"a drop in the raw table for what has no way back",
         {{"r2", How::legacy,
           "*raw\n-A PREROUTING -m rpfilter --invert -j DROP\n-A PREROUTING -p udp --dport 53 -j "
           "DROP\nCOMMIT\n"}}},
        {"a default route from a router advertisement's kind",
         {{"r1", How::ip, "route del NET"},
          {"r1", How::ip, "route add default via GATE dev eth1 proto ra metric 1024"},
          {"r2", How::legacy, "*filter\n-A FORWARD -p tcp --dport 23 -j REJECT\nCOMMIT\n"}}},
        {"one of several addresses, SNAT and a mark of the connection",
         {{"r1", How::legacy, "*nat\n-A POSTROUTING -p tcp --dport 22 -j MASQUERADE\nCOMMIT\n"},
          {"r2", How::legacy, "*filter\n-A FORWARD ! -s SRC -p tcp -j DROP\nCOMMIT\n"}}},
        {"tracked loosely no more",
         {{"r2", How::command, "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0"},
          {"r2", How::legacy,
           "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
           "-A FORWARD -p tcp --dport 22 -j REJECT --reject-with tcp-reset\nCOMMIT\n"}}},
        {"a helper and an expectation",
         {{"r2", How::nft,
           "table IP t {\nct helper h {\ntype \"ftp\" protocol tcp\n}\nchain p {\ntype filter hook "
           "prerouting priority 0\ntcp dport 23 ct helper set \"h\"\n}\nchain f {\ntype filter "
           "hook "
           "forward priority 0\nct helper \"ftp\" drop\n}\n}\n"}}},
    };
    return cases;
}

}  // namespace

namespace {

/// @return which services arrive
std::vector<bool> install(Lab& lab, int family, const RuleCase& rules) {
    build_two(lab);
    if (!opens(lab, family)) throw std::runtime_error("the lab of two does not work");
    for (const auto& step : rules.steps) take_step(lab, family, step);
    if (!rules.fails) return observe(lab, two_destination(lab, family), kAsked);
    if (arrives_alone(lab, family, 22)) throw std::runtime_error("22/tcp arrives");
    return std::vector<bool>(kAsked.size(), false);
}

}  // namespace

TEST_CASE("truth: odd rules and routes, and every verdict is that of plain packets") {
    const auto which = GENERATE(range(std::size_t{0}, odd_rules().size()));
    const auto& one = odd_rules()[which];
    for (const int family : {4, 6}) {
        if (one.family != 0 && one.family != family) continue;
        std::vector<bool> truth;
        Lab lab(Pins::with_process);
        given(one.name, [&] {
            truth = install(lab, family, one);
            return true;
        });
        for (const auto& asked : only({"clsact", "netfilter", "isolated"})) {
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), kAskedPorts, asked);
            INFO(one.name << ", IPv" << family << ", " << asked.name << "\n" << result.text());
            for (std::size_t i = 0; i < kAsked.size(); ++i) {
                INFO(kAsked[i].protocol << " " << kAsked[i].port);
                CHECK(result.result(kAsked[i].protocol, kAsked[i].port) ==
                      (truth[i] ? "YES" : "NO"));
            }
        }
    }
}
