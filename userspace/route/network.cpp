// SPDX-License-Identifier: BSD-2-Clause
#include "route/network.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <map>
#include <set>

#include "bpf/attach.hpp"
#include "bpf/cgroup.hpp"
#include "guard/guard.hpp"
#include "os/conntrack.hpp"
#include "os/firewall_rules.hpp"
#include "route/request.hpp"

namespace ksms {
namespace {

/// Answers are kept: a plan sees one picture of the network, and asks each thing once.
class KernelNetwork : public Network {
public:
    KernelNetwork(std::vector<Netns> all, std::string left_out, bool may_send)
        : left_out_(std::move(left_out)), may_send_(may_send) {
        for (auto& netns : all) nodes_.push_back(std::make_unique<Node>(std::move(netns)));
    }

    std::string left_out() const override { return left_out_; }

    std::size_t size() const override { return nodes_.size(); }
    const Netns& netns(std::size_t number) const override { return nodes_.at(number)->netns; }

    Result<std::size_t> find(std::string_view spec) override {
        KSMS_TRY(auto netns, Netns::open(spec));
        for (std::size_t i = 0; i < nodes_.size(); ++i)
            if (nodes_[i]->netns.inode() == netns.inode()) return i;
        nodes_.push_back(std::make_unique<Node>(std::move(netns)));
        return nodes_.size() - 1;
    }

    Result<const Interfaces*> interfaces(std::size_t number) override {
        auto& node = *nodes_.at(number);
        if (!node.interfaces) {
            KSMS_TRY(auto* netlink, socket(node));
            Interfaces found;
            KSMS_TRY(found.links, links(*netlink));
            found.read = monotonic();
            KSMS_TRY(found.addresses, addresses(*netlink));
            node.interfaces = std::move(found);
        }
        return &*node.interfaces;
    }

    Result<const std::vector<RoutingRule>*> rules(std::size_t number, int family) override {
        auto& node = *nodes_.at(number);
        if (!node.rules.contains(family)) {
            KSMS_TRY(auto* netlink, socket(node));
            KSMS_TRY(node.rules[family], ksms::rules(*netlink, family));
        }
        return &node.rules[family];
    }

    Result<FirewallRules> firewall(std::size_t number, int family) override {
        return firewall_rules(netns(number), family);
    }

    Result<PortRules> port_rules(std::size_t number, int family) override {
        KSMS_TRY(const auto* known, interfaces(number));
        KSMS_TRY(auto rules, ksms::port_rules(netns(number), family));
        const bool bridges = std::ranges::any_of(
            known->links, [](const Link& link) { return link.kind == "bridge"; });
        if (bridges && ebtables_loaded()) rules.unread = "ebtables";
        KSMS_TRY(const bool balanced, has_ipvs_services(netns(number)));
        if (balanced) rules.unread = "IPVS";
        KSMS_TRY(const bool expects, has_expectations(netns(number)));
        if (expects) rules.unread = "a connection that is expected";
        KSMS_TRY(const bool policies, has_policies(netns(number)));
        if (policies) rules.unread = "an IPsec policy";
        return rules;
    }

    Result<std::string> foreign_program(bool sends) override {
        if (sends) {
            KSMS_TRY(const bool filters, cgroup_filters_packets());
            if (filters) return std::string("a BPF program of our cgroup");
        }
        KSMS_TRY(const bool found, foreign_netfilter_programs());
        return std::string(found ? "a BPF program of netfilter" : "");
    }

    Result<bool> sorts_packets(std::size_t number) override {
        auto& node = *nodes_.at(number);
        KSMS_TRY(auto* netlink, socket(node));
        KSMS_TRY(bool found, ksms::sorts_packets(*netlink, kFilterName));
        KSMS_TRY(const auto* known, interfaces(number));
        if (found) return true;
        KSMS_CHECK(in_netns(node.netns, [&]() -> Status {
            for (const auto& link : known->links) {
                KSMS_TRY(auto programs, tcx_programs(link.ifindex, KSMS_INGRESS));
                KSMS_TRY(const auto egress, tcx_programs(link.ifindex, KSMS_EGRESS));
                programs.insert(programs.end(), egress.begin(), egress.end());
                if (link.xdp_program != 0) programs.push_back(link.xdp_program);
                for (const auto program : programs) {
                    KSMS_TRY(const bool own, is_own_program(program));
                    found |= !own;
                }
            }
            return {};
        }));
        return found;
    }

    Result<RouteAnswer> route(std::size_t number, const RouteQuestion& question) override {
        KSMS_TRY(auto* netlink, socket(*nodes_.at(number)));
        KSMS_TRY(auto answer, ksms::route(*netlink, question));
        encapsulates_ |= answer.encapsulates;
        return answer;
    }

    [[nodiscard]] bool encapsulates() const override { return encapsulates_; }

    Result<std::vector<RouteAnswer>> table_routes(std::size_t number, int family,
                                                  std::uint32_t table) override {
        KSMS_TRY(auto* netlink, socket(*nodes_.at(number)));
        return ksms::table_routes(*netlink, family, table);
    }

    Result<const std::vector<IpsecPolicy>*> policies(std::size_t number) override {
        auto& node = *nodes_.at(number);
        if (!node.policies) {
            KSMS_TRY(node.policies, outgoing_policies(node.netns));
        }
        return &*node.policies;
    }

    Result<bool> several_ways(std::size_t number, const RouteQuestion& question) override {
        KSMS_TRY(auto* netlink, socket(*nodes_.at(number)));
        auto whole = question;
        whole.whole_route = true;
        KSMS_TRY(const auto answer, ksms::route(*netlink, whole));
        return answer.several;
    }

    Result<bool> has_several_ways(std::size_t number, int family) override {
        KSMS_TRY(const auto all, table_routes(number, family, RT_TABLE_UNSPEC));
        return std::ranges::any_of(all, &RouteAnswer::several);
    }

    Result<bool> forwards(std::size_t number, int family, std::uint32_t ifindex) override {
        auto& node = *nodes_.at(number);
        const auto key = std::pair(family, ifindex);
        if (const auto known = node.forwards.find(key); known != node.forwards.end())
            return known->second;
        KSMS_TRY(auto* netlink, socket(node));
        KSMS_TRY(const bool on, ksms::forwards(*netlink, family, ifindex));
        return node.forwards[key] = on;
    }

    Result<std::optional<std::size_t>> by_nsid(std::size_t number, int id) override {
        auto& node = *nodes_.at(number);
        if (node.by_nsid.empty()) {
            KSMS_TRY(auto* netlink, socket(node));
            for (std::size_t other = 0; other < nodes_.size(); ++other) {
                KSMS_TRY(const int known, nsid(*netlink, nodes_[other]->netns));
                if (known >= 0) node.by_nsid.emplace(known, other);
            }
        }
        const auto found = node.by_nsid.find(id);
        return found == node.by_nsid.end() ? std::nullopt : std::optional(found->second);
    }

    Result<std::optional<Mac>> neighbour_mac(std::size_t number, std::uint32_t ifindex,
                                             const Address& address) override {
        auto& node = *nodes_.at(number);
        const auto key = std::pair(ifindex, address.text());
        if (const auto known = node.macs.find(key); known != node.macs.end()) return known->second;
        KSMS_TRY(auto* netlink, socket(node));
        if (may_send_) {
            // A question here, and an answer somewhere.
            for (const auto& each : nodes_)
                if (each->interfaces) each->interfaces->read = {};
            KSMS_TRY(auto listening, Netlink::open(node.netns, RTMGRP_NEIGH));
            KSMS_CHECK(resolve_neighbour(*netlink, listening, ifindex, address));
        }
        KSMS_TRY(const auto found, neighbour(*netlink, ifindex, address));
        const bool works = found && neighbour_works(found->state);
        return node.macs[key] = works ? found->mac : std::nullopt;
    }

private:
    struct Node {
        explicit Node(Netns of) : netns(std::move(of)) {}
        Netns netns;
        std::optional<Netlink> netlink;
        std::optional<Interfaces> interfaces;
        std::map<int, std::vector<RoutingRule>> rules;
        std::optional<std::vector<IpsecPolicy>> policies;
        std::map<std::pair<int, std::uint32_t>, bool> forwards;
        std::map<int, std::size_t> by_nsid;
        std::map<std::pair<std::uint32_t, std::string>, std::optional<Mac>> macs;
    };

    static Result<Netlink*> socket(Node& node) {
        if (!node.netlink) {
            KSMS_TRY(node.netlink, Netlink::open(node.netns));
        }
        return &*node.netlink;
    }

    std::vector<std::unique_ptr<Node>> nodes_;
    std::string left_out_;
    bool may_send_;
    bool encapsulates_{false};
};

/// The namespaces that the request names. Whether one is there is for the plan to say.
std::vector<Netns> named_in(const ScanRequest& request) {
    auto names = request.routers;
    if (!request.source_netns.empty()) names.push_back(request.source_netns);
    for (const auto& place : request.inject) names.push_back(place.substr(0, place.rfind(':')));
    std::vector<Netns> found;
    for (const auto& name : names)
        if (auto netns = Netns::open(name)) found.push_back(std::move(*netns));
    return found;
}

std::string left_out_text(const std::vector<std::string>& names) {
    constexpr std::size_t most = 8;
    if (names.empty()) return {};
    const std::vector<std::string> first(
        names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size())));
    return fmt::format(
        "{} of other users {} no part: {}{}; --all-netns lets {} in",
        names.size() == 1 ? "a namespace" : fmt::format("{} namespaces", names.size()),
        names.size() == 1 ? "takes" : "take", fmt::join(first, ", "),
        names.size() > most ? fmt::format(" and {} more", names.size() - most) : "",
        names.size() == 1 ? "it" : "them");
}

}  // namespace

const Link* Interfaces::link(std::uint32_t ifindex) const {
    const auto found = std::ranges::find(links, ifindex, &Link::ifindex);
    return found == links.end() ? nullptr : &*found;
}

bool Interfaces::owns(const Address& address) const {
    return std::ranges::any_of(addresses,
                               [&](const auto& each) { return each.prefix.address == address; });
}

bool Interfaces::owns_on(const Address& address, std::uint32_t ifindex) const {
    return std::ranges::any_of(addresses, [&](const auto& each) {
        return each.ifindex == ifindex && each.prefix.address == address;
    });
}

bool looks_at_ports(const std::vector<RoutingRule>& rules) {
    return std::ranges::any_of(rules, [](const RoutingRule& rule) { return rule.port_last != 0; });
}

Result<bool> may_wrap(Network& network, std::size_t netns, const RouteAnswer& answer,
                      const Address& from, const Address& to) {
    if (answer.encapsulates) return true;
    KSMS_TRY(const auto* policies, network.policies(netns));
    return std::ranges::any_of(*policies, [&](const IpsecPolicy& policy) {
        return !policy.blocks && policy.concerns(from, to);
    });
}

Result<std::optional<std::size_t>> host_of(Network& network, const Address& address) {
    for (std::size_t number = 0; number < network.size(); ++number) {
        const auto interfaces = network.interfaces(number);
        if (!interfaces && interfaces.error().code == Code::not_allowed) continue;
        if (!interfaces) return std::unexpected(interfaces.error());
        for (const auto& each : (*interfaces)->addresses) {
            if (each.prefix.address != address) continue;
            KSMS_TRY(const bool forwards, network.forwards(number, address.family, each.ifindex));
            if (!forwards) return number;
        }
    }
    return std::nullopt;
}

Result<std::unique_ptr<Network>> kernel_network(bool may_send, const ScanRequest& request) {
    KSMS_TRY(auto all, all_netns());
    std::set<std::uint32_t> named, known;
    auto taking_part = std::vector<Netns>();
    auto asked_for = named_in(request);
    for (const auto& netns : asked_for) named.insert(netns.inode());
    std::vector<std::string> left_out;
    for (auto& netns : all) {
        const bool welcome = request.all_netns || netns.has_name() || named.contains(netns.inode());
        std::optional<uid_t> stranger;
        if (!welcome) {
            KSMS_TRY(stranger, netns.stranger());
        }
        if (stranger) {
            left_out.push_back(fmt::format("{} (uid {})", netns.name(), *stranger));
        } else {
            known.insert(netns.inode());
            taking_part.push_back(std::move(netns));
        }
    }
    // One that only a path leads to is in no list, and may be behind a link of another.
    for (auto& netns : asked_for)
        if (known.insert(netns.inode()).second) taking_part.push_back(std::move(netns));
    return std::make_unique<KernelNetwork>(std::move(taking_part), left_out_text(left_out),
                                           may_send);
}

}  // namespace ksms
