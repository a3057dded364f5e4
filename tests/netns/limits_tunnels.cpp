// SPDX-License-Identifier: BSD-2-Clause
// Rules that see a tunnel's outer packet, which has another family and other ports.
#include "rule_cases.hpp"

namespace {

using namespace ksms::lab;

/// A vxlan from r1 to r2, its outer packets of this family.
void build_tunnel(Lab& lab, int outer) {
    build_two(lab);
    for (const auto& [node, local, remote] : {std::tuple{"r1", 1, 2}, std::tuple{"r2", 2, 1}}) {
        lab.ip(node, {fmt::format("link add vx0 type vxlan id 5 dstport 4789 local {} remote {}{}",
                                  lab.address(outer, 2, local), lab.address(outer, 2, remote),
                                  outer == 4 ? "" : " udp6zerocsumrx"),
                      fmt::format("addr add {}/29 dev vx0", lab.address(4, 4, local)),
                      "link set vx0 up"});
        lab.ip6(node, {fmt::format("addr add {}/64 dev vx0 nodad", lab.address(6, 4, local))});
    }
    lab.ip("r1", {fmt::format("route replace {} via {}", lab.subnet(4, 3), lab.address(4, 4, 2))});
    lab.ip6("r1", {fmt::format("route replace {} via {}", lab.subnet(6, 3), lab.address(6, 4, 2))});
}

struct OuterRule {
    const char* name;
    const char* node;
    std::string rules;
    bool limit;  ///< false: a list
};

std::vector<OuterRule> outer_rules() {
    const std::string udp = "-p udp --dport 4789 ";
    return {
        {"a limit at OUTPUT", "r1",
         "*filter\n-A OUTPUT " + udp + kTenASecond + "-j ACCEPT\n-A OUTPUT " + udp +
             "-j DROP\nCOMMIT\n",
         true},
        {"a limit at INPUT", "r2",
         "*filter\n-A INPUT " + udp + kTenASecond + "-j ACCEPT\n-A INPUT " + udp +
             "-j DROP\nCOMMIT\n",
         true},
        {"a list at INPUT", "r2",
         "*filter\n-A INPUT " + udp +
             // Not the second one: the routers send some, too (MLD).
             "-m recent --name flood --rcheck --seconds 1 --hitcount 4 -j DROP\n-A INPUT " + udp +
             "-m recent --name flood --set -j ACCEPT\nCOMMIT\n",
         false},
    };
}

/// xt_recent: "/" flushes a list (iptables-extensions(8)).
void forget_list(const Lab& lab, const std::string& node) {
    lab.in(node, {"sh", "-c", "echo / >/proc/net/xt_recent/flood"});
}

}  // namespace

TEST_CASE("limits: rules for the outer packet of a tunnel count for what is in it") {
    const int outer = GENERATE(4, 6);
    const auto rule = GENERATE(from_range(outer_rules()));
    for (const int family : {4, 6}) {
        for (const auto& asked : only({"clsact", "isolated"})) {
            Lab lab(Pins::with_process);
            given("a packet that comes alone passes", [&] {
                build_tunnel(lab, outer);
                if (!opens(lab, family)) return false;
                lab.rules(rule.node, Firewall::iptables_legacy, rule.rules, outer);
                // The routers send packets of their own through the tunnel.
                if (!eventually([&] { return arrives_alone(lab, family, 8001); })) return false;
                if (!rule.limit) forget_list(lab, rule.node);
                return true;
            });
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), "8001-8003", asked);
            INFO(rule.name << ", IPv" << family << " in IPv" << outer << ", " << asked.name << "\n"
                           << result.text());
            CHECK(result.count("no") == 0);
            if (rule.limit) CHECK(result.count("unknown") == 0);
        }
    }
}

namespace {

/// r1 puts what is for the destination into packets to r2 (SRv6, RFC 8754).
void build_segments(Lab& lab) {
    build_two(lab);
    for (const char* interface : {"all", "eth0"})
        lab.sysctl("r2", fmt::format("ipv6/conf/{}/seg6_enabled", interface), "1");
    lab.ip6("r1", {fmt::format("route replace {} encap seg6 mode encap segs {} dev eth1",
                               lab.subnet(6, 3), lab.address(6, 2, 2))});
}

}  // namespace

TEST_CASE("limits: rules for the outer packet of a route count for what is in it") {
    const auto [node, chain] = GENERATE(table<const char*, const char*>(
        {{"r1", "FORWARD"}, {"r2", "PREROUTING"}, {"r2", "INPUT"}}));
    const auto rule = fmt::format("-A {} -p ipv6 ", chain);
    for (const auto& asked : only({"clsact", "isolated"})) {
        Lab lab(Pins::with_process);
        given("a packet that comes alone passes", [&] {
            build_segments(lab);
            if (!opens(lab, 6)) return false;
            lab.rules(node, Firewall::iptables_legacy,
                      "*mangle\n" + rule + kTenASecond + "-j ACCEPT\n" + rule + "-j DROP\nCOMMIT\n",
                      6);
            return eventually([&] { return arrives_alone(lab, 6, 8001); });
        });
        const auto result =
            ask(lab, two_source(lab, 6), two_destination(lab, 6), "8001-8003", asked);
        INFO(node << ", " << chain << ", " << asked.name << "\n" << result.text());
        CHECK(result.count("no") == 0);
        CHECK(result.count("unknown") == 0);
    }
}

namespace {

/// Likewise, but r1 and r2 reach each other by a router that knows nothing but the outer packets,
/// and the tunnel is a port of a bridge.
void build_bridged_tunnel(Lab& lab) {
    lab.host("src");
    for (const char* router : {"r1", "under", "r2"}) lab.router(router);
    lab.host("dst");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"under", "eth0", 2}, 2);
    lab.link({"under", "eth1", 1}, {"r2", "eth0", 2}, 5);
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 3, 1);
    lab.route("r1", 5, 2, 2);
    lab.route("r2", 2, 5, 1);
    for (const auto& [node, host, local, remote] :
         {std::tuple{"r1", 1, lab.address(4, 2, 1), lab.address(4, 5, 2)},
          std::tuple{"r2", 2, lab.address(4, 5, 2), lab.address(4, 2, 1)}}) {
        lab.ip(node, {"link add br0 type bridge mcast_snooping 0", "link set br0 up",
                      fmt::format("link add vx0 type vxlan id 5 dstport 4789 local {} remote {}",
                                  local, remote),
                      "link set vx0 master br0 up",
                      fmt::format("addr add {}/29 dev br0", lab.address(4, 4, host))});
        lab.ip6(node, {fmt::format("addr add {}/64 dev br0 nodad", lab.address(6, 4, host))});
    }
    lab.route("r1", 3, 4, 2);
    lab.route("r2", 1, 4, 1);
}

}  // namespace

TEST_CASE("limits: rules for the outer packet where the tunnel is a bridge's port") {
    const std::string node = GENERATE("r1", "under", "r2");
    const bool drops = GENERATE(true, false);
    const std::string chain = node == "r1" ? "OUTPUT" : node == "r2" ? "INPUT" : "FORWARD";
    const std::string udp = "-A " + chain + " -p udp --dport 4789 ";
    for (const int family : {4, 6}) {
        for (const auto& asked : only({"clsact", "isolated"})) {
            Lab lab(Pins::with_process);
            given("a packet that comes alone passes, unless everything is dropped", [&] {
                build_bridged_tunnel(lab);
                if (!opens(lab, family)) return false;
                lab.rules(node, Firewall::iptables_legacy,
                          "*filter\n" +
                              (drops ? std::string() : udp + kTenASecond + "-j ACCEPT\n") + udp +
                              "-j DROP\nCOMMIT\n",
                          4);
                return eventually([&] { return arrives_alone(lab, family, 8001); },
                                  std::chrono::milliseconds(drops ? 100 : 5000)) != drops;
            });
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), "8001-8003", asked);
            INFO(node << ", drops " << drops << ", IPv" << family << ", " << asked.name << "\n"
                      << result.text());
            CHECK(result.count(drops ? "yes" : "no") == 0);
        }
    }
}
