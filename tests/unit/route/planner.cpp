// SPDX-License-Identifier: BSD-2-Clause
// Plans over a network that is a table.
#include "route/planner.hpp"

#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <map>

#include "ksms/abi.h"
#include "plan/fake_network.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

ScanRequest request(const std::string& source, const std::string& destination,
                    std::vector<Service> services = {{IPPROTO_TCP, 22}, {IPPROTO_TCP, 80}}) {
    ScanRequest result;
    result.source = ip(source);
    result.destination = ip(destination);
    result.services = std::move(services);
    return result;
}

/// src -(10.0.0.0/24)- r1 -(10.0.1.0/24)- r2 -(10.0.2.0/24)- dst
struct Chain : FakeNetwork {
    std::size_t src, r1, r2, dst;
    explicit Chain(bool with_host = true) {
        src = node("src", false);
        r1 = node("r1", true);
        r2 = node("r2", true);
        dst = node("dst", false);
        wire(src, interface(src, "eth0", "veth", {"10.0.0.2/24"}), r1,
             interface(r1, "in", "veth", {"10.0.0.1/24"}));
        wire(r1, interface(r1, "out", "veth", {"10.0.1.1/24"}), r2,
             interface(r2, "in", "veth", {"10.0.1.2/24"}));
        const auto last = interface(r2, "out", "veth", {"10.0.2.1/24"});
        wire(r2, last, dst,
             interface(
                 dst, "eth0", "veth",
                 with_host ? std::vector<std::string>{"10.0.2.2/24"} : std::vector<std::string>{}));
        (*this)[src].routes.push_back({net("0.0.0.0/0"), 1, "10.0.0.1"});
        (*this)[r1].routes.push_back({net("10.0.2.0/24"), 2, "10.0.1.2"});
        (*this)[r2].routes.push_back({net("10.0.0.0/24"), 1, "10.0.1.1"});
    }
};

std::vector<std::string> names(const Plan& plan, std::size_t probe) {
    std::vector<std::string> result;
    for (const auto& hop : plan.paths[plan.path_of[probe]].hops)
        result.push_back(plan.routers[hop.router].netns.name());
    return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("plan: a chain of two routers to a host") {
    Chain network;
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE(plan);
    CHECK(names(*plan, 0) == Names{"r1", "r2"});
    CHECK(plan->paths.size() == 1);
    CHECK(plan->paths[0].end == PathEnd::destination);
    CHECK(plan->paths[0].hops[1].ingress.name == "in");
    CHECK(plan->paths[0].hops[1].egress.name == "out");
    CHECK(plan->destination_hosts.size() == 1);
    CHECK(plan->routers[0].interfaces.size() == 2);
    REQUIRE(plan->neighbours.size() == 3);
    CHECK_FALSE(plan->neighbours[0].is_destination);
    CHECK(plan->neighbours[2].is_destination);
}

TEST_CASE("plan: a destination without a host ends on its link, and may be faked there") {
    Chain network(false);
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE(plan);
    CHECK(plan->paths[0].end == PathEnd::destination);
    CHECK(plan->destination_hosts.empty());
    CHECK(plan->neighbours.back().is_destination);
}

TEST_CASE("plan: the destination is a router") {
    Chain network;
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.1.2"), 0);
    REQUIRE(plan);
    CHECK(plan->paths[0].end == PathEnd::local);
    CHECK(plan->paths[0].hops.back().local);
}

TEST_CASE("plan: the source is a router's own address") {
    Chain network;
    network[network.r1].routes.push_back({net("0.0.0.0/0"), 2, "10.0.1.2"});
    const auto plan = make_plan(network, request("10.0.1.1", "10.0.2.2"), 0);
    REQUIRE(plan);
    CHECK(plan->entries[0].netns.name() == "r1");
    CHECK(names(*plan, 0) == Names{"r2"});
}

TEST_CASE("plan: several owners of the source are entries, --source-netns names one") {
    Chain network;
    const auto twin = network.node("twin", false);
    network.wire(twin, network.interface(twin, "eth0", "veth", {"10.0.0.2/24"}), network.r2,
                 network.interface(network.r2, "twin", "veth", {"10.0.0.9/24"}));
    network[twin].routes.push_back({net("0.0.0.0/0"), 1, "10.0.0.9"});
    auto asked = request("10.0.0.2", "10.0.2.2");
    auto plan = make_plan(network, asked, 0);
    REQUIRE(plan);
    CHECK(plan->entries.size() == 2);
    CHECK(names(*plan, 0) == Names{"r1", "r2"});
    CHECK(names(*plan, 2) == Names{"r2"});
    asked.entry_only = true;
    plan = make_plan(network, asked, 0);
    CHECK(plan->routers[0].wanted);
    CHECK(plan->answers(1, 0));
    CHECK_FALSE(plan->answers(1, 1));
    asked.routers = {"r2"};
    plan = make_plan(network, asked, 0);
    CHECK_FALSE(plan->answers(0, 0));
    CHECK(plan->answers(1, 0));
    asked.routers.clear();
    asked.entry_only = false;
    asked.source_netns = "twin";
    plan = make_plan(network, asked, 0);
    REQUIRE(plan);
    CHECK(plan->entries.size() == 1);
    CHECK(names(*plan, 0) == Names{"r2"});
}

TEST_CASE(
    "plan: a rule on a port sends two services two ways, and few questions are asked for many") {
    Chain network;
    const auto other = network.node("other", true);
    network.wire(network.r1, network.interface(network.r1, "side", "veth", {"10.0.3.1/24"}), other,
                 network.interface(other, "in", "veth", {"10.0.3.2/24"}));
    network[network.r1].routes.push_back({net("10.0.2.0/24"), 3, "10.0.3.2", 80});
    RoutingRule rule;
    rule.protocol = IPPROTO_TCP;
    rule.port_first = rule.port_last = 80;
    network[network.r1].rules.push_back(rule);
    auto asked = request("10.0.0.2", "10.0.2.2");
    asked.services.clear();
    for (unsigned port = 1; port <= 65535; ++port)
        asked.services.push_back({IPPROTO_TCP, static_cast<std::uint16_t>(port)});
    const auto plan = make_plan(network, asked, 0);
    REQUIRE(plan);
    CHECK(names(*plan, 21) == Names{"r1", "r2"});
    CHECK(names(*plan, 79) == Names{"r1", "other"});
    CHECK(plan->paths[plan->path_of[79]].end == PathEnd::no_route);
    CHECK(network.questions < 40);
}

TEST_CASE("plan: rules that look at tos name the DSCPs they catch") {
    Chain network;
    RoutingRule rule;
    rule.tos = 0x10;
    rule.tos_mask = 0x1c;
    network[network.r1].rules.push_back(rule);
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE(plan);
    for (unsigned dscp = 32; dscp < 64; ++dscp) {
        const bool caught = dscp == 36 || dscp == 44 || dscp == 52 || dscp == 60;
        CHECK((plan->routed_dscps >> dscp & 1) == (caught ? 1u : 0u));
    }
}

TEST_CASE("plan: where a mark could lead, there is a tap too") {
    Chain network;
    const auto other = network.node("other", true);
    network.wire(network.r1, network.interface(network.r1, "side", "veth", {"10.0.3.1/24"}), other,
                 network.interface(other, "in", "veth", {"10.0.3.2/24"}));
    network[network.r1].routes.push_back({net("10.0.2.0/24"), 3, "10.0.3.2", 0, 0, 7});
    RoutingRule rule;
    rule.mark = 7;
    network[network.r1].rules.push_back(rule);
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE(plan);
    CHECK(names(*plan, 0) == Names{"r1", "r2"});
    CHECK(plan->routers.size() == 3);
    CHECK(plan->next.at({0, 3}) == std::vector<std::size_t>{2});
}

TEST_CASE("plan: through a bridge in a third namespace, to the one that owns the next hop") {
    FakeNetwork network;
    const auto src = network.node("src", false), fabric = network.node("fabric", false);
    const auto wrong = network.node("wrong", true), right = network.node("right", true);
    const auto bridge = network.interface(fabric, "br0", "bridge");
    std::uint32_t index = 0;
    for (const auto& [node, address] :
         {std::pair(src, "10.0.0.2/24"), std::pair(wrong, "10.0.0.3/24"),
          std::pair(right, "10.0.0.1/24")}) {
        const auto port = network.interface(fabric, "p" + std::to_string(++index), "veth");
        network.link(fabric, port).master = bridge;
        network.wire(node, network.interface(node, "eth0", "veth", {address}), fabric, port);
    }
    network.interface(right, "out", "veth", {"10.0.2.1/24"});
    network.link(right, 2).peer = 0;
    network.link(right, 2).kind = "dummy";
    network[src].routes.push_back({net("0.0.0.0/0"), 1, "10.0.0.1"});
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE(plan);
    CHECK(names(*plan, 0) == Names{"right"});
    REQUIRE(plan->segments.size() == 1);
    CHECK(plan->segments[0].name() == "fabric");
    CHECK(plan->paths[0].end == PathEnd::leaves_machine);
}

TEST_CASE("plan: ends that are not the destination say so") {
    {
        Chain network;
        network[network.r2].routes.clear();
        const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
        REQUIRE(plan);
        CHECK(plan->paths[0].end == PathEnd::no_route);
        CHECK(plan->paths[0].detail == "r2 has no route to 10.0.2.2");
    }
    {
        Chain network;
        network[network.r2].routes = {{net("10.0.2.0/24"), 1, "10.0.1.1"}};
        network[network.r1].routes = {{net("10.0.2.0/24"), 2, "10.0.1.2"}};
        const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
        REQUIRE(plan);
        CHECK(plan->paths[0].end == PathEnd::loop);
    }
    {
        Chain network;
        network.link(network.r1, 2).carrier = false;
        const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
        REQUIRE(plan);
        CHECK(plan->paths[0].end == PathEnd::link_down);
    }
    {
        Chain network;
        network[network.r1].routes = {{net("10.0.2.0/24"), 2, "10.0.1.77"}};
        const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
        REQUIRE(plan);
        CHECK(plan->paths[0].end == PathEnd::no_next_hop);
    }
    {
        Chain network;
        network[network.r2].forwards = false;
        const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
        REQUIRE(plan);
        CHECK(plan->paths[0].end == PathEnd::not_forwarding);
        CHECK(names(*plan, 0) == Names{"r1", "r2"});
    }
}

TEST_CASE("plan: what cannot be planned is an error that names it") {
    Chain network;
    auto plan = make_plan(network, request("10.0.0.77", "10.0.2.2"), 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == Code::not_found);
    CHECK(plan.error().message == "no namespace owns the source 10.0.0.77");
    CHECK(plan.error().hint.find("10.0.0.") != std::string::npos);

    plan = make_plan(network, request("10.0.0.2", "fd00::1"), 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == Code::usage);

    plan = make_plan(network, request("10.0.0.2", "10.0.0.9"), 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().message.find("share a link") != std::string::npos);

    network.link(network.src, 1).up = false;
    plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == Code::failed);
    CHECK(plan.error().message.find("is down") != std::string::npos);
}

TEST_CASE("plan: --router leaves the others on the way out of the answer") {
    Chain network;
    auto asked = request("10.0.0.2", "10.0.2.2");
    asked.routers = {"r2"};
    auto plan = make_plan(network, asked, 0);
    REQUIRE(plan);
    CHECK_FALSE(plan->routers[0].wanted);
    CHECK(plan->routers[1].wanted);
    asked.routers = {"nowhere"};
    CHECK(make_plan(network, asked, 0).error().code == Code::not_found);
    asked.routers = {"dst"};
    const auto off_the_way = make_plan(network, asked, 0);
    REQUIRE_FALSE(off_the_way);
    CHECK(off_the_way.error().code == Code::not_found);
    CHECK(off_the_way.error().message.find("on the way") != std::string::npos);
}

TEST_CASE("plan: more probes than a token can number are refused") {
    Chain network;
    for (int i = 0; i < 5; ++i) {
        const auto twin = network.node("twin" + std::to_string(i), false);
        network.interface(twin, "eth0", "dummy", {"10.0.0.2/24"});
    }
    auto asked = request("10.0.0.2", "10.0.2.2");
    asked.services.clear();
    for (unsigned port = 1; port <= 65535; ++port)
        asked.services.push_back({IPPROTO_TCP, static_cast<std::uint16_t>(port)});
    const auto plan = make_plan(network, asked, 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == Code::usage);
    CHECK(plan.error().hint.find("--source-netns") != std::string::npos);
}

TEST_CASE("plan: --entry-only with --router is both at once") {
    Chain network;
    auto asked = request("10.0.0.2", "10.0.2.2");
    asked.entry_only = true;
    asked.routers = {"r1"};
    const auto plan = make_plan(network, asked, 0);
    REQUIRE(plan);
    CHECK(plan->answers(0, 0));
    asked.routers = {"r2"};
    const auto none = make_plan(network, asked, 0);
    REQUIRE_FALSE(none);
    CHECK(none.error().message == "none of the routers named is the first on a way");
}

TEST_CASE("plan: what the source's rules tell apart is sent by a socket of its protocol") {
    Chain network;
    const auto other = network.node("other", true);
    network.wire(network.src, network.interface(network.src, "eth1", "veth", {"10.0.3.2/24"}),
                 other, network.interface(other, "in", "veth", {"10.0.3.1/24"}));
    network[network.src].routes.push_back({net("0.0.0.0/0"), 2, "10.0.3.1", 80});
    RoutingRule rule;
    rule.protocol = IPPROTO_TCP;
    rule.port_first = rule.port_last = 80;
    network[network.src].rules.push_back(rule);
    const auto asked = request("10.0.0.2", "10.0.2.2");
    auto plan = make_plan(network, asked, 0);
    REQUIRE(plan);
    const auto path = [&](std::size_t probe) { return plan->paths[plan->path_of[probe]]; };
    CHECK_FALSE(path(0).by_socket);
    CHECK(path(0).leaves.name == "eth0");
    CHECK(path(1).by_socket);
    CHECK(path(1).leaves.name == "eth1");
    CHECK(names(*plan, 1) == Names{"other"});
    network.hashes = true;
    plan = make_plan(network, asked, 0);
    CHECK(path(0).by_socket);
    CHECK(path(0).leaves.ifindex == 0);
    network.hashes = false;
    network[network.src].rules[0].mark = 7;
    plan = make_plan(network, asked, 0);
    CHECK(path(0).leaves.ifindex == 0);
}

TEST_CASE("plan: a socket sends what an IPsec policy of the source tells apart") {
    const auto by_socket = [](const IpsecPolicy& policy) {
        Chain network;
        network[network.src].policies.push_back(policy);
        return make_plan(network, request("10.0.0.2", "10.0.2.2"), 0)->paths[0].by_socket;
    };
    IpsecPolicy policy;
    policy.source = net("10.0.0.0/24");
    policy.destination = net("10.0.2.2/32");
    CHECK_FALSE(by_socket(policy));
    policy.destination_ports = {80, 0xffff};
    CHECK(by_socket(policy));
    policy.destination = net("10.0.3.0/24");
    CHECK_FALSE(by_socket(policy));
}

TEST_CASE("plan: addresses that no router forwards from or to are refused by name") {
    Chain network;
    for (const auto& [source, destination] :
         {std::pair("fe80::1", "fd00::1"), std::pair("fd00::1", "fe80::1"),
          std::pair("fd00::1", "ff02::1"), std::pair("10.0.0.2", "224.0.0.5"),
          std::pair("10.0.0.2", "255.255.255.255")}) {
        const auto plan = make_plan(network, request(source, destination), 0);
        INFO(source << " " << destination);
        REQUIRE_FALSE(plan);
        CHECK(plan.error().code == Code::usage);
        const std::string named = std::string(source) == "fe80::1" ? source : destination;
        CHECK(plan.error().message.find(named) == 0);
    }
    network[network.r2].routes.push_back({net("10.0.2.255/32"), 2, "", 0, 0, 0, 0, RTN_BROADCAST});
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.255"), 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == Code::usage);
    CHECK(plan.error().message == "10.0.2.255 is the broadcast address of a network of r2");
}

TEST_CASE("plan: an entry without a way is named") {
    Chain network;
    const auto twin = network.node("twin", false);
    network.interface(twin, "eth0", "dummy", {"10.0.0.2/24"});
    const auto plan = make_plan(network, request("10.0.0.2", "10.0.2.2"), 0);
    REQUIRE(plan);
    CHECK(plan->warnings == Names{"from twin no router is on the way: "
                                  "twin has no route to 10.0.2.2"});
}
