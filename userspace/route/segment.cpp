// SPDX-License-Identifier: BSD-2-Clause
#include "route/segment.hpp"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ksms {
namespace {

/// A device upon another one, which IFLA_LINK names.
bool stands_upon(const Link& link) {
    static const std::set<std::string> kinds{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"};
    return kinds.contains(link.kind);
}

/// Open vSwitch: the ports of all its bridges, and those that are interfaces of the namespace
/// itself. Which of them a frame goes to its flows say.
bool is_switch(const Link& link) {
    return link.kind == "openvswitch";
}

/// Its ports are one interface.
bool is_bundle(const Link& link) {
    return link.kind == "bond" || link.kind == "team";
}

/// The VLAN tags that a frame has, the outer one last. Nothing: a bridge that filters by VLAN, or
/// Open vSwitch, may have put any on it or taken any off.
using Tags = std::optional<std::vector<std::uint32_t>>;

class Walker {
public:
    explicit Walker(Network& network) : network_(network) {}

    Result<Segment> from(std::size_t netns, std::uint32_t ifindex) {
        seen_.insert({netns, ifindex});
        KSMS_TRY(const auto* interfaces, network_.interfaces(netns));
        if (const auto* link = interfaces->link(ifindex))
            KSMS_CHECK(below(netns, *interfaces, *link, Tags{std::in_place}));
        return std::move(segment_);
    }

private:
    /// What an interface is wired to.
    Status below(std::size_t netns, const Interfaces& interfaces, const Link& link,
                 const Tags& tags) {
        if (link.kind == "bridge") return ports(netns, interfaces, link, tags);
        if (is_switch(link)) return switched(netns, interfaces);
        if (is_bundle(link)) return below_ports(netns, interfaces, link.ifindex, tags);
        if (link.kind == "veth") return peer(netns, link, tags);
        if (stands_upon(link)) return lower(netns, interfaces, link, tags);
        segment_.leaves_sight = true;
        return is_tunnel(link) ? tunnels(netns, link) : Status{};
    }

    Status tunnels(std::size_t netns, const Link& from) {
        for (std::size_t other = 0; other < network_.size(); ++other) {
            const auto interfaces = network_.interfaces(other);
            // One that we may not enter is no end that we know.
            if (!interfaces && interfaces.error().code == Code::not_allowed) continue;
            if (!interfaces) return std::unexpected(interfaces.error());
            for (const auto& link : (*interfaces)->links)
                if (link.kind == from.kind && (other != netns || link.ifindex != from.ifindex))
                    segment_.endpoints.push_back({other, link.ifindex});
        }
        return {};
    }

    Status peer(std::size_t netns, const Link& link, const Tags& tags) {
        KSMS_TRY(const auto other, namespace_of_peer(netns, link));
        if (!other || link.peer == 0) {
            segment_.leaves_sight = true;
            return {};
        }
        return arrive(*other, link.peer, tags);
    }

    Status lower(std::size_t netns, const Interfaces& interfaces, const Link& link, Tags tags) {
        KSMS_TRY(const auto at, namespace_of_peer(netns, link));
        const Interfaces* there = &interfaces;
        if (at && *at != netns) {
            KSMS_TRY(there, network_.interfaces(*at));
        }
        const auto* device = at ? there->link(link.peer) : nullptr;
        if (device == nullptr) {
            segment_.leaves_sight = true;
            return {};
        }
        if (link.kind == "macvlan") KSMS_CHECK(arrive(*at, device->ifindex, tags));
        if (link.kind == "ipvlan") KSMS_CHECK(uppers(*at, device->ifindex, tags));
        if (link.vlan != 0 && tags) tags->push_back(link.vlan);
        return below(*at, *there, *device, tags);
    }

    Result<std::optional<std::size_t>> namespace_of_peer(std::size_t netns, const Link& link) {
        if (link.peer_nsid < 0) return netns;
        return network_.by_nsid(netns, link.peer_nsid);
    }

    /// The far end of a wire: a bridge's port leads on, any other interface is an end.
    Status arrive(std::size_t netns, std::uint32_t ifindex, const Tags& tags) {
        if (!seen_.insert({netns, ifindex}).second) return {};
        KSMS_TRY(const auto* interfaces, network_.interfaces(netns));
        const auto* link = interfaces->link(ifindex);
        if (link == nullptr) return {};
        const auto* master = link->master == 0 ? nullptr : interfaces->link(link->master);
        const bool bridged = master != nullptr && master->kind == "bridge";
        if (master != nullptr && is_switch(*master)) return switched(netns, *interfaces);
        const bool bundled = master != nullptr && is_bundle(*master);
        const auto end = bridged || bundled ? master->ifindex : ifindex;
        if (end != ifindex && !seen_.insert({netns, end}).second) return {};
        const auto there = bridged && master->filters_vlans ? Tags{} : tags;
        KSMS_CHECK(uppers(netns, end, there));
        if (!there || there->empty()) segment_.endpoints.push_back({netns, end});
        return bridged ? ports(netns, *interfaces, *master, there) : Status{};
    }

    /// What is for a device upon an interface arrives there, in whatever namespace that device is.
    Status uppers(std::size_t netns, std::uint32_t ifindex, const Tags& tags) {
        for (std::size_t other = 0; other < network_.size(); ++other) {
            const auto interfaces = network_.interfaces(other);
            if (!interfaces && interfaces.error().code == Code::not_allowed) continue;
            if (!interfaces) return std::unexpected(interfaces.error());
            for (const auto& upper : (*interfaces)->links) {
                if (upper.peer != ifindex || !stands_upon(upper)) continue;
                if (upper.vlan != 0 && tags && (tags->empty() || tags->back() != upper.vlan))
                    continue;
                KSMS_TRY(const auto lower_at, namespace_of_peer(other, upper));
                if (lower_at != netns) continue;
                auto there = tags;
                if (upper.vlan != 0 && there) there->pop_back();
                KSMS_CHECK(arrive(other, upper.ifindex, there));
            }
        }
        return {};
    }

    Status switched(std::size_t netns, const Interfaces& interfaces) {
        segment_.bridges.push_back(netns);
        for (const auto& link : interfaces.links) {
            const auto* master = interfaces.link(link.master);
            if (is_switch(link) && seen_.insert({netns, link.ifindex}).second)
                segment_.endpoints.push_back({netns, link.ifindex});
            if (master == nullptr || !is_switch(*master)) continue;
            if (seen_.insert({netns, link.ifindex}).second)
                KSMS_CHECK(below(netns, interfaces, link, std::nullopt));
        }
        return {};
    }

    Status ports(std::size_t netns, const Interfaces& interfaces, const Link& bridge,
                 const Tags& tags) {
        segment_.bridges.push_back(netns);
        return below_ports(netns, interfaces, bridge.ifindex, bridge.filters_vlans ? Tags{} : tags);
    }

    Status below_ports(std::size_t netns, const Interfaces& interfaces, std::uint32_t master,
                       const Tags& tags) {
        for (const auto& port : interfaces.links) {
            if (port.master != master) continue;
            seen_.insert({netns, port.ifindex});
            KSMS_CHECK(below(netns, interfaces, port, tags));
        }
        return {};
    }

    Network& network_;
    Segment segment_;
    std::set<std::pair<std::size_t, std::uint32_t>> seen_;
};

}  // namespace

bool is_tunnel(const Link& link) {
    static const std::set<std::string> wired{"", "veth", "bridge", "vrf"};
    return !link.loopback && !wired.contains(link.kind) && !stands_upon(link) && !is_bundle(link) &&
           !is_switch(link);
}

bool carries_in_another(const Link& link) {
    static const std::set<std::string> bare{"dummy", "ifb", "nlmon", "vcan", "tun"};
    return is_tunnel(link) && !bare.contains(link.kind);
}

Result<Segment> segment_of(Network& network, std::size_t netns, std::uint32_t ifindex) {
    return Walker(network).from(netns, ifindex);
}

}  // namespace ksms
