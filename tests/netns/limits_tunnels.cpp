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
             "-m recent --name flood --rcheck --seconds 1 --hitcount 2 -j DROP\n-A INPUT " + udp +
             "-m recent --name flood --set -j ACCEPT\nCOMMIT\n",
         false},
    };
}

}  // namespace

TEST_CASE("limits: rules for the outer packet of a tunnel count for what is in it") {
    const int outer = GENERATE(4, 6);
    const auto rule = GENERATE(from_range(outer_rules()));
    for (const int family : {4, 6}) {
        for (const auto& asked : only({"clsact", "isolated"})) {
            Lab lab;
            given("a packet that comes alone passes", [&] {
                build_tunnel(lab, outer);
                if (!opens(lab, family)) return false;
                lab.rules(rule.node, Firewall::iptables_legacy, rule.rules, outer);
                // The routers send packets of their own through the tunnel.
                return eventually([&] { return arrives_alone(lab, family, 8001); });
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
