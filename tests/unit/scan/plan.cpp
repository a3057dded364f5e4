// SPDX-License-Identifier: BSD-2-Clause
// Plans over a network that is a table.
#include "scan/plan.hpp"

#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <map>

#include "ksms/abi.h"

using namespace ksms;

namespace {

Address ip(const std::string& text) {
    return *Address::parse(text);
}

Prefix net(const std::string& text) {
    const auto slash = text.find('/');
    return {ip(text.substr(0, slash)),
            static_cast<std::uint8_t>(std::stoi(text.substr(slash + 1)))};
}

/// A route that may ask for more than a destination.
struct FakeRoute {
    Prefix to;
    std::uint32_t oif;
    std::string via;
    std::uint16_t port{0};
    std::uint8_t tos{0};
    std::uint32_t mark{0};
    int error{0};
};

class FakeNetwork : public Network {
public:
    struct Node {
        std::string name;
        Netns netns;
        Interfaces interfaces;
        std::vector<FakeRoute> routes;
        std::vector<RoutingRule> rules;
        bool forwards{false};
    };

    std::size_t node(const std::string& name, bool router) {
        Node added;
        added.name = name;
        added.netns = std::move(*Netns::open_path("/proc/self/ns/net", name));
        added.forwards = router;
        nodes_.push_back(std::move(added));
        return nodes_.size() - 1;
    }
    /// nsids are the numbers themselves.
    std::uint32_t interface(std::size_t at, const std::string& name, const std::string& kind,
                            const std::vector<std::string>& addresses = {}) {
        Link link;
        link.ifindex = static_cast<std::uint32_t>(nodes_[at].interfaces.links.size() + 1);
        link.name = name;
        link.kind = kind;
        link.up = link.carrier = true;
        nodes_[at].interfaces.links.push_back(link);
        for (const auto& address : addresses) {
            nodes_[at].interfaces.addresses.push_back({link.ifindex, net(address), false});
            nodes_[at].routes.push_back({net(address), link.ifindex, ""});
        }
        return link.ifindex;
    }
    void wire(std::size_t a, std::uint32_t ia, std::size_t b, std::uint32_t ib) {
        link(a, ia).peer = ib;
        link(a, ia).peer_nsid = static_cast<int>(b);
        link(b, ib).peer = ia;
        link(b, ib).peer_nsid = static_cast<int>(a);
    }
    Link& link(std::size_t at, std::uint32_t ifindex) {
        return nodes_[at].interfaces.links[ifindex - 1];
    }
    Node& operator[](std::size_t at) { return nodes_[at]; }

    std::size_t size() const override { return nodes_.size(); }
    const Netns& netns(std::size_t number) const override { return nodes_[number].netns; }
    Result<std::size_t> find(std::string_view spec) override {
        for (std::size_t i = 0; i < nodes_.size(); ++i)
            if (nodes_[i].name == spec) return i;
        return fail(Code::not_found, "there is no namespace " + std::string(spec));
    }
    Result<const Interfaces*> interfaces(std::size_t number) override {
        return &nodes_[number].interfaces;
    }
    Result<const std::vector<RoutingRule>*> rules(std::size_t number, int) override {
        return &nodes_[number].rules;
    }
    Result<RouteAnswer> route(std::size_t number, const RouteQuestion& question) override {
        ++questions;
        auto& node = nodes_[number];
        RouteAnswer answer;
        if (node.interfaces.owns(question.destination)) {
            answer.type = RTN_LOCAL;
            return answer;
        }
        const FakeRoute* best = nullptr;
        for (const auto& route : node.routes) {
            if (!route.to.contains(question.destination)) continue;
            if (route.port != 0 && route.port != question.destination_port) continue;
            if (route.tos != 0 && route.tos != question.tos) continue;
            if (route.mark != question.mark && route.mark != 0) continue;
            const auto rank = [](const FakeRoute& each) {
                return std::tuple(each.mark != 0, each.port != 0, each.tos != 0, each.to.length);
            };
            if (best == nullptr || rank(route) > rank(*best)) best = &route;
        }
        if (best == nullptr) {
            answer.error = ENETUNREACH;
            return answer;
        }
        answer.error = best->error;
        answer.type = RTN_UNICAST;
        answer.oif = best->oif;
        if (!best->via.empty()) answer.gateway = ip(best->via);
        return answer;
    }
    Result<bool> forwards(std::size_t number, int, std::uint32_t) override {
        return nodes_[number].forwards;
    }
    Result<std::optional<std::size_t>> by_nsid(std::size_t, int nsid) override {
        return std::optional<std::size_t>(static_cast<std::size_t>(nsid));
    }
    Result<std::optional<Mac>> neighbour_mac(std::size_t, std::uint32_t, const Address&) override {
        return std::nullopt;
    }
    int questions{0};

private:
    std::vector<Node> nodes_;
};

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
    CHECK(make_plan(network, asked, 0).error().code == Code::failed);
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
