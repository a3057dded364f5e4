// SPDX-License-Identifier: BSD-2-Clause
// A network that is a table: what a plan asks of the kernels, answered from values.
#pragma once

#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <cerrno>
#include <string>
#include <tuple>
#include <vector>

#include "route/network.hpp"

namespace ksms::test {

inline Address ip(const std::string& text) {
    return *Address::parse(text);
}

inline Prefix net(const std::string& text) {
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
    std::uint8_t type{RTN_UNICAST};
    bool encapsulates{false};
};

class FakeNetwork : public Network {
public:
    struct Node {
        std::string name;
        Netns netns;
        Interfaces interfaces;
        std::vector<FakeRoute> routes;
        std::vector<RoutingRule> rules;
        FirewallRules firewall;
        PortRules ports;
        std::vector<IpsecPolicy> policies;
        bool forwards{false};
        bool sorts{false};
        bool several{false};  ///< a route has several next hops
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
    Result<FirewallRules> firewall(std::size_t number, int) override {
        return nodes_[number].firewall;
    }
    Result<std::string> foreign_program(bool) override { return std::string(); }
    Result<bool> has_several_ways(std::size_t number, int) override {
        return nodes_[number].several;
    }
    Result<PortRules> port_rules(std::size_t number, int) override { return nodes_[number].ports; }
    Result<bool> sorts_packets(std::size_t number) override { return nodes_[number].sorts; }
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
        answer.type = best->type;
        answer.oif = best->oif;
        answer.encapsulates = best->encapsulates;
        if (!best->via.empty()) answer.gateway = ip(best->via);
        return answer;
    }
    Result<std::vector<RouteAnswer>> table_routes(std::size_t number, int,
                                                  std::uint32_t table) override {
        std::vector<RouteAnswer> found;
        for (const auto& route : nodes_[number].routes) {
            RouteAnswer entry;
            entry.type = route.type;
            entry.prefix = route.to;
            entry.table = RT_TABLE_MAIN;
            if (table == RT_TABLE_MAIN) found.push_back(entry);
        }
        return found;
    }
    Result<const std::vector<IpsecPolicy>*> policies(std::size_t number) override {
        return &nodes_[number].policies;
    }
    Result<bool> several_ways(std::size_t, const RouteQuestion&) override { return hashes; }
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
    bool hashes{false};  ///< every route has several next hops

private:
    std::vector<Node> nodes_;
};

}  // namespace ksms::test
