// SPDX-License-Identifier: BSD-2-Clause
#include "route/tracer.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "ksms/abi.h"
#include "route/detour.hpp"
#include "route/refusal.hpp"

namespace ksms {
namespace {

constexpr std::size_t kMostHops = 64;  // the TTL of a probe
constexpr std::uint16_t kHashSamples = 16;

/// "br-core has no route to 10.9.9.9" and the like.
std::string describe_end(PathEnd end, const std::string& router, const std::string& target) {
    switch (end) {
        case PathEnd::destination: return fmt::format("{} reaches {}", router, target);
        case PathEnd::local: return fmt::format("{} is {} itself", router, target);
        case PathEnd::leaves_machine:
            return fmt::format("{} sends to {} by a link whose other end is not known", router,
                               target);
        case PathEnd::no_route: return fmt::format("{} has no route to {}", router, target);
        case PathEnd::refused:
            return fmt::format("{} refuses to route to {} (blackhole, unreachable or prohibit)",
                               router, target);
        case PathEnd::no_next_hop:
            return fmt::format("{} sends to {}, which no host on the link owns", router, target);
        case PathEnd::link_down: return fmt::format("{}: the link to {} is down", router, target);
        case PathEnd::loop:
            return fmt::format("the path to {} returns to {}: a loop", target, router);
        case PathEnd::onward: return fmt::format("{} hands {} on", router, target);
        case PathEnd::not_forwarding: return fmt::format("{} does not forward", router);
    }
    return {};
}

}  // namespace

RouteQuestion Tracer::question(const Service& service, std::uint32_t iif,
                               std::uint32_t mark) const {
    RouteQuestion result;
    result.destination = destination_;
    result.source = source_;
    result.iif = iif;
    result.protocol = service.protocol;
    result.source_port = source_port_;
    result.destination_port = service.port;
    result.tos = tos_;
    result.mark = mark;
    return result;
}

/// The way ends at a router that does not route it on: by which route, or for want of one?
Status Tracer::refuse(Trace& trace, std::size_t netns, const RouteAnswer& answer) const {
    KSMS_TRY(trace.refusal, refusal_of(network_, netns, answer, destination_));
    const auto target = destination_.text();
    // EACCES prohibit, EINVAL blackhole, or an invalid source
    const bool refused = answer.error == 0 || answer.error == EACCES || answer.error == EINVAL;
    stop(trace, refused || !trace.refusal.empty() ? PathEnd::refused : PathEnd::no_route, netns,
         target);
    if (!trace.refusal.empty())
        trace.detail = fmt::format("{}: the route to {} is {}", network_.netns(netns).name(),
                                   target, trace.refusal);
    return {};
}

Result<const Segment*> Tracer::segment(std::size_t netns, std::uint32_t ifindex) {
    const auto key = std::pair(netns, ifindex);
    auto found = segments_.find(key);
    if (found == segments_.end()) {
        KSMS_TRY(auto segment, segment_of(network_, netns, ifindex));
        found = segments_.emplace(key, std::move(segment)).first;
    }
    return &found->second;
}

Result<bool> Tracer::link_is_up(std::size_t netns, std::uint32_t ifindex) {
    KSMS_TRY(const auto* interfaces, network_.interfaces(netns));
    const auto* link = interfaces->link(ifindex);
    return link != nullptr && link->up && (link->carrier || link->loopback);
}

/// A router that answers for an address that nobody on the link owns (proxy ARP, proxy NDP). No
/// kernel does that which does not forward.
Status Tracer::look_for_proxy(std::size_t netns, std::uint32_t egress, const Address& next_hop,
                              const Segment& wire, Step& step) {
    std::vector<Segment::Endpoint> routers;
    for (const auto& endpoint : wire.endpoints) {
        KSMS_TRY(const bool forwards,
                 network_.forwards(endpoint.netns, next_hop.family, endpoint.ifindex));
        if (forwards && endpoint.netns != netns) routers.push_back(endpoint);
    }
    step.nobody = routers.empty() && !wire.leaves_sight;
    if (routers.empty()) return {};
    KSMS_TRY(const auto mac, network_.neighbour_mac(netns, egress, next_hop));
    if (mac) {
        KSMS_TRY(step.to, with_mac(routers, *mac));
    }
    return {};
}

Result<std::optional<Segment::Endpoint>> Tracer::with_mac(
    const std::vector<Segment::Endpoint>& endpoints, const Mac& mac) {
    for (const auto& endpoint : endpoints) {
        KSMS_TRY(const auto* interfaces, network_.interfaces(endpoint.netns));
        const auto* link = interfaces->link(endpoint.ifindex);
        if (link != nullptr && link->mac == mac) return endpoint;
    }
    return std::nullopt;
}

/// Who on the link takes a packet for `next_hop`: the namespace that owns it; of several, the one
/// that the neighbour entry names, else the one whose interface has the address. The others may
/// answer the next question for it. Where nobody owns it, the router that answers for it.
Result<Tracer::Step> Tracer::step(std::size_t netns, std::uint32_t egress, const Address& next_hop,
                                  std::set<std::size_t>* bridges) {
    KSMS_TRY(const auto* wire, segment(netns, egress));
    if (bridges != nullptr) bridges->insert(wire->bridges.begin(), wire->bridges.end());
    std::vector<Segment::Endpoint> owners;
    for (const auto& endpoint : wire->endpoints) {
        KSMS_TRY(const auto* interfaces, network_.interfaces(endpoint.netns));
        const bool here = interfaces->owns_on(next_hop, endpoint.ifindex);
        const auto* link = interfaces->link(endpoint.ifindex);
        // The other end of a tunnel is known by the address alone.
        const bool wired = link == nullptr || !is_tunnel(*link);
        if (!here && (!wired || next_hop.is_link_local() || !interfaces->owns(next_hop))) continue;
        owners.insert(here ? owners.begin() : owners.end(), endpoint);
    }
    Step result;
    result.leaves_sight = wire->leaves_sight;
    if (owners.empty()) {
        KSMS_CHECK(look_for_proxy(netns, egress, next_hop, *wire, result));
        return result;
    }
    auto taken = owners.begin();
    if (owners.size() > 1) {
        KSMS_TRY(const auto mac, network_.neighbour_mac(netns, egress, next_hop));
        if (mac) {
            KSMS_TRY(const auto named, with_mac(owners, *mac));
            if (named) taken = std::ranges::find(owners, *named);
        }
    }
    result.to = *taken;
    owners.erase(taken);
    result.others = std::move(owners);
    return result;
}

/// An entry of the neighbour table may change its mind while the scan runs: taps belong on all who
/// could take the packet.
Status Tracer::meet_others(std::size_t netns, std::uint32_t egress, const Step& step) {
    for (const auto& [other, arrives] : step.others) {
        KSMS_TRY(const bool forwards, network_.forwards(other, destination_.family, arrives));
        if (!forwards) continue;
        next_[{netns, egress}].insert(other);
        meet(other, arrives);
    }
    return {};
}

void Tracer::meet(std::size_t router, std::uint32_t ingress) {
    ingresses_.insert({router, ingress});
    if (std::ranges::find(routers_, router) == routers_.end()) routers_.push_back(router);
}

void Tracer::stop(Trace& trace, PathEnd end, std::size_t netns, const std::string& target) const {
    trace.end = end;
    trace.detail = describe_end(end, network_.netns(netns).name(), target);
}

/// How the source sends it. A raw socket's packet is looked up without protocol and ports: where a
/// rule, a hash over several next hops or an IPsec policy looks at them, only a socket of that
/// protocol goes the way that everybody's packets go.
Status Tracer::leave(Trace& trace, std::size_t entry, const Service& service,
                     const RouteAnswer& answer) {
    KSMS_TRY(const bool several, network_.several_ways(entry, question(service, 0, 0)));
    KSMS_TRY(const auto* rules, network_.rules(entry, destination_.family));
    // Nobody can be asked about protocol RAW: ICMP is as little TCP or UDP as that, unless a rule
    // means it. A question without a protocol is one about UDP (inet_rtm_getroute()).
    auto portless = question(service, 0, 0);
    portless.protocol = IPPROTO_ICMP;
    if (destination_.family == AF_INET6) portless.protocol = IPPROTO_ICMPV6;
    portless.source_port = portless.destination_port = 0;
    const bool means_it = std::ranges::any_of(
        *rules, [&](const RoutingRule& rule) { return rule.protocol == portless.protocol; });
    KSMS_TRY(const auto raw, network_.route(entry, portless));
    KSMS_TRY(const auto* policies, network_.policies(entry));
    const bool told_apart = std::ranges::any_of(*policies, [this](const IpsecPolicy& policy) {
        return policy.tells_apart(source_, destination_);
    });
    trace.by_socket = several || means_it || told_apart || raw.error != answer.error ||
                      raw.type != answer.type || raw.oif != answer.oif ||
                      raw.gateway != answer.gateway;
    KSMS_TRY(const auto* interfaces, network_.interfaces(entry));
    const auto* link = interfaces->link(answer.oif);
    // Its firewall may mark it and lead it another way; what leaves by an interface upon another
    // one is seen on both.
    const bool marks =
        std::ranges::any_of(*rules, [](const RoutingRule& rule) { return rule.mark != 0; });
    const bool alone = link != nullptr && link->master == 0 &&
                       (link->kind == "veth" || link->peer == 0 || link->peer == link->ifindex);
    if (!several && !marks && alone) trace.leaves = answer.oif;
    return several ? meet_next_hops(entry, 0, service) : Status{};
}

/// Of several next hops a question names the one that its ports hash to: other ports, the others.
Status Tracer::meet_next_hops(std::size_t netns, std::uint32_t ingress, const Service& service) {
    auto varied = question(service, ingress, 0);
    for (std::uint16_t i = 1; i <= kHashSamples; ++i) {
        varied.source_port = static_cast<std::uint16_t>(source_port_ + i);
        KSMS_TRY(const auto answer, network_.route(netns, varied));
        KSMS_CHECK(meet_behind(netns, answer));
    }
    return {};
}

/// The router behind this answer, where there is one.
Status Tracer::meet_behind(std::size_t netns, const RouteAnswer& answer) {
    if (answer.error != 0 || answer.type != RTN_UNICAST) return {};
    neighbours_.push_back({netns, answer.oif, answer.gateway ? answer.gateway : destination_});
    KSMS_TRY([[maybe_unused]] const auto next, meet_next(netns, answer, destination_));
    return {};
}

/// The router that takes a packet for `destination` there; nothing where none does.
Result<std::optional<Segment::Endpoint>> Tracer::meet_next(std::size_t netns,
                                                           const RouteAnswer& answer,
                                                           const Address& destination) {
    KSMS_TRY(const auto taken,
             step(netns, answer.oif, answer.gateway ? answer.gateway : destination, nullptr));
    if (!taken.to) return std::nullopt;
    const auto [next, arrives] = *taken.to;
    KSMS_TRY(const bool forwards, network_.forwards(next, destination_.family, arrives));
    if (!forwards) return std::nullopt;
    next_[{netns, answer.oif}].insert(next);
    meet(next, arrives);
    KSMS_CHECK(meet_others(netns, answer.oif, taken));
    return taken.to;
}

Result<Trace> Tracer::trace(std::size_t entry, const Service& service) {
    return follow({}, entry, 0, service, kMostHops + 1);
}

Result<Trace> Tracer::trace_one(std::size_t router, std::uint32_t ingress, const Service& service) {
    Trace trace;
    trace.hops.push_back({router, ingress, 0, false});
    return follow(std::move(trace), router, ingress, service, 1);
}

Result<Trace> Tracer::follow(Trace trace, std::size_t at, std::uint32_t ingress,
                             const Service& service, std::size_t most) {
    const auto entry = at;
    std::set<std::pair<std::size_t, std::uint32_t>> visited;
    const auto target = destination_.text();
    while (true) {
        asked_.insert(at);
        if (!visited.insert({at, ingress}).second || trace.hops.size() > kMostHops) {
            stop(trace, PathEnd::loop, at, target);
            return trace;
        }
        KSMS_TRY(const auto answer, network_.route(at, question(service, ingress, 0)));
        const bool source = ingress == 0;
        if (answer.error == 0 && (answer.type == RTN_BROADCAST || answer.type == RTN_ANYCAST))
            return fail(Code::usage,
                        fmt::format("{} is {} address of a network of {}", target,
                                    answer.type == RTN_ANYCAST ? "the subnet-router anycast"
                                                               : "the broadcast",
                                    network_.netns(at).name()),
                        "give the address of a host");
        if (answer.error == 0 && answer.type == RTN_LOCAL) {
            if (!source) trace.hops.back().local = true;
            stop(trace, PathEnd::local, at, target);
            return trace;
        }
        if (!source) {
            KSMS_TRY(const bool forwards, network_.forwards(at, destination_.family, ingress));
            if (!forwards) {
                stop(trace, PathEnd::not_forwarding, at, target);
                return trace;
            }
        }
        if (answer.error != 0 || answer.type != RTN_UNICAST) {
            KSMS_CHECK(refuse(trace, at, answer));
            return trace;
        }
        if (source) {
            KSMS_CHECK(leave(trace, entry, service, answer));
            ingresses_.insert({entry, 0});  // its own firewall's marks are explored too
        }
        if (!source) {
            auto& hop = trace.hops.back();
            hop.egress = answer.oif;
            KSMS_TRY(hop.wraps, may_wrap(network_, at, answer, source_, destination_));
            // Its other services may take the other next hops.
            KSMS_TRY(const bool several, network_.several_ways(at, question(service, ingress, 0)));
            if (several) KSMS_CHECK(meet_next_hops(at, ingress, service));
        }
        KSMS_TRY(const bool up, link_is_up(at, answer.oif));
        const auto next_hop = answer.gateway ? answer.gateway : destination_;
        if (!up) {
            stop(trace, PathEnd::link_down, at, next_hop.text());
            return trace;
        }
        trace.neighbours.push_back({at, answer.oif, next_hop});
        KSMS_TRY(const auto taken, step(at, answer.oif, next_hop, &trace.bridges));
        trace.neighbours.back().nobody = taken.nobody;
        if (!taken.to) {
            const auto end = taken.leaves_sight ? PathEnd::leaves_machine
                             : answer.gateway   ? PathEnd::no_next_hop
                                                : PathEnd::destination;
            stop(trace, end, at, next_hop.text());
            return trace;
        }
        const auto [next, arrives] = *taken.to;
        KSMS_TRY(const bool forwards, network_.forwards(next, destination_.family, arrives));
        KSMS_TRY(const auto* interfaces, network_.interfaces(next));
        if (!forwards && interfaces->owns(destination_)) {
            trace.host = next;
            stop(trace, PathEnd::destination, at, target);
            return trace;
        }
        if (trace.hops.size() == most) {
            stop(trace, PathEnd::onward, at, target);
            return trace;
        }
        next_[{at, answer.oif}].insert(next);
        meet(next, arrives);
        KSMS_CHECK(meet_others(at, answer.oif, taken));
        trace.hops.push_back({next, arrives, 0, false});
        at = next;
        ingress = arrives;
    }
}

Status Tracer::explore_from(std::size_t netns, std::uint32_t ingress, std::uint32_t mark,
                            const Service& service) {
    if (routers_.size() >= KSMS_MAX_ROUTERS || !explored_.insert({netns, ingress, mark}).second)
        return {};
    asked_.insert(netns);
    KSMS_TRY(const auto answer, network_.route(netns, question(service, ingress, mark)));
    return meet_behind(netns, answer);
}

Status Tracer::explore_marks(const Service& service) {
    for (bool more = true; more;) {
        const auto known = ingresses_;
        for (const auto& [router, ingress] : known) {
            KSMS_TRY(const auto* rules, network_.rules(router, destination_.family));
            KSMS_CHECK(explore_from(router, ingress, 0, service));
            for (const auto& rule : *rules)
                if (rule.mark != 0) KSMS_CHECK(explore_from(router, ingress, rule.mark, service));
        }
        more = ingresses_.size() > known.size();
    }
    return {};
}

Status Tracer::meet_all_on(std::size_t netns, std::uint32_t egress, int family) {
    KSMS_TRY(const auto* wire, segment(netns, egress));
    for (const auto& [other, arrives] : wire->endpoints) {
        KSMS_TRY(const bool forwards, network_.forwards(other, family, arrives));
        if (forwards && other != netns) meet(other, arrives);
    }
    return {};
}

Status Tracer::explore_detour(std::size_t netns, const Detour& detour) {
    auto asked = detour.question;
    const int family = asked.destination.family;
    for (std::size_t hop = 0; hop < kMostHops; ++hop) {
        KSMS_TRY(const auto answer, network_.route(netns, asked));
        const bool unicast = answer.error == 0 && answer.type == RTN_UNICAST;
        // Its marks are not known here.
        if (hop == 0 && (!unicast || answer.oif != detour.egress))
            return meet_all_on(netns, detour.egress, family);
        if (!unicast) return {};
        if (answer.gateway) neighbours_.push_back({netns, answer.oif, answer.gateway});
        KSMS_TRY(const auto next, meet_next(netns, answer, asked.destination));
        if (!next) return {};
        netns = next->netns;
        asked.iif = next->ifindex;
    }
    return {};
}

}  // namespace ksms
