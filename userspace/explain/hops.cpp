// SPDX-License-Identifier: BSD-2-Clause
#include "explain/hops.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/dscp.hpp"
#include "explain/culprit.hpp"
#include "explain/hooks.hpp"
#include "explain/route_choice.hpp"

namespace ksms {
namespace {

/// The packet as it changes on its path, for the route lookups of the routers.
class Packet {
public:
    Packet(const ScanRequest& request, const Report& report, std::uint16_t source_port) {
        question_.source = request.source;
        question_.destination = request.destination;
        question_.protocol = request.services.front().protocol;
        question_.destination_port = request.services.front().port;
        question_.source_port = source_port;
        question_.tos = Dscp(report.carried_dscp).tos();
    }
    /// Applies changes that a router makes before routing.
    void arrive(const Change& change) {
        if (!change.destination) return;
        question_.destination = change.destination->address;
        question_.destination_port = change.destination->port;
    }
    /// Applies changes that a router makes after routing.
    void leave(const Change& change) {
        if (change.source) {
            question_.source = change.source->address;
            question_.source_port = change.source->port;
        }
        if (change.dscp) question_.tos = Dscp(*change.dscp).tos();
    }
    [[nodiscard]] RouteQuestion question(std::uint32_t iif) const {
        auto asked = question_;
        asked.iif = iif;
        return asked;
    }

private:
    RouteQuestion question_;
};

KernelDrop drop_at(const Report& report, const ServiceAtRouter& answer) {
    if (answer.result != Verdict::no) return {};
    const auto& dropped = answer.dropped;
    return {report.words[dropped.reason], report.words[dropped.place], hook_name(dropped.hook)};
}

Result<RouteChoice> route_of(const Netns& netns, const Packet& packet, const std::string& iif,
                             const std::string& left_by, const KernelDrop& drop) {
    KSMS_TRY(auto netlink, Netlink::open(netns));
    std::uint32_t ifindex = 0;
    if (!iif.empty()) {
        KSMS_TRY(const auto all, links(netlink));
        const auto found = std::ranges::find(all, iif, &Link::name);
        if (found == all.end())
            return fail(Code::failed, fmt::format("{} has no interface {}", netns.name(), iif));
        ifindex = found->ifindex;
    }
    return choose_route(netlink, packet.question(ifindex), left_by, drop);
}

void add_route(HopReport& hop, const Watch* watch, const Packet& packet) {
    if (watch == nullptr) return;
    const auto left_by = hop.answer.egress_packets > 0 ? hop.iface : std::string();
    auto route = route_of(watch->netns(), packet, hop.ingress_iface, left_by, hop.drop);
    if (!route) {
        route = RouteChoice{};
        route->detail = "not known: " + route.error().text();
    }
    hop.route = std::move(*route);
}

void add_rule(HopReport& hop, const Watch* watch, const Service& service, int family) {
    if (watch == nullptr) return;
    auto culprit = find_culprit(*watch, hop.drop, protocol_name(service.protocol), family);
    hop.rule_unknown = std::move(culprit.why);
    if (culprit.rules.size() == 1)
        hop.rule = std::move(culprit.rules.front());
    else
        hop.candidates = std::move(culprit.rules);
}

const Watch* watch_of(const Watches& watches, const std::string& name) {
    const auto found = watches.find(name);
    return found == watches.end() ? nullptr : &found->second;
}

/// The routers of an entry on the service's path, in order.
std::vector<const RouterReport*> way_of(const Report& report, const std::string& entry) {
    std::vector<const RouterReport*> way;
    for (const auto& router : report.routers)
        if (router.entry == entry && !router.services.empty() && router.services.front().on_path)
            way.push_back(&router);
    std::ranges::sort(way, {}, &RouterReport::hop);
    return way;
}

/// The namespace that the probe leaves from, with its route and its firewall.
HopReport source_hop(const std::string& entry, const ScanRequest& request, const Report& report,
                     const std::vector<const RouterReport*>& way, const Watch* watch,
                     const Packet& packet) {
    HopReport hop;
    hop.name = hop.entry = entry;
    const auto* first = way.empty() ? nullptr : &way.front()->services.front();
    const bool arrived = first != nullptr && first->ingress_packets > 0;
    if (arrived) hop.answer.result = Verdict::yes;
    const bool dropped = first != nullptr && first->notes.has(Note::source_firewall);
    if (dropped) hop.answer.result = Verdict::no;
    add_route(hop, watch, packet);
    if (hop.route) hop.iface = hop.route->device;
    if (dropped) {
        hop.drop.reason = "NETFILTER_DROP";
        add_rule(hop, watch, request.services.front(), report.source.family);
    }
    return hop;
}

HopReport router_hop(const Report& report, const RouterReport& router, const ScanRequest& request,
                     const Watch* watch, Packet& packet) {
    HopReport hop;
    hop.name = router.name;
    hop.entry = router.entry;
    hop.hop = router.hop;
    hop.answer = router.services.front();
    hop.drop = drop_at(report, hop.answer);
    const auto& change = report.changes[hop.answer.change];
    const auto sent = std::max(report.services.front().sent, 1u);
    if (hop.answer.ingress_packets > sent) hop.rounds = hop.answer.ingress_packets / sent;
    hop.ingress_iface = router.ingress_iface;
    hop.iface = router.iface;
    packet.arrive(change);
    add_route(hop, watch, packet);
    if (hop.answer.result == Verdict::no)
        add_rule(hop, watch, request.services.front(), request.source.family);
    packet.leave(change);
    return hop;
}

}  // namespace

std::vector<HopReport> explain_hops(const ScanRequest& request, const Report& report,
                                    const Watches& watches, std::uint16_t source_port) {
    std::vector<HopReport> hops;
    for (const auto& entry : report.entries) {
        Packet packet(request, report, source_port);
        const auto way = way_of(report, entry);
        const auto* source = watch_of(watches, entry);
        hops.push_back(source_hop(entry, request, report, way, source, packet));
        add_hooks(hops.back(), source);
        for (const auto* router : way) {
            const auto* watch = watch_of(watches, router->name);
            hops.push_back(router_hop(report, *router, request, watch, packet));
            add_hooks(hops.back(), watch);
        }
    }
    return hops;
}

std::vector<FirewallRule> candidates_at(const std::string& router, const Report& report,
                                        const Watches& watches) {
    const auto* watch = watch_of(watches, router);
    if (watch == nullptr) return {};
    for (const auto& each : report.routers) {
        if (each.name != router || each.services.front().result != Verdict::no) continue;
        return find_culprit(*watch, drop_at(report, each.services.front()),
                            protocol_name(report.services.front().service.protocol),
                            report.source.family)
            .rules;
    }
    return {};
}

}  // namespace ksms
