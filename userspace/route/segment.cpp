// SPDX-License-Identifier: BSD-2-Clause
#include "route/segment.hpp"

#include <set>
#include <string>
#include <utility>

namespace ksms {
namespace {

class Walker {
public:
    explicit Walker(Network& network) : network_(network) {}

    Result<Segment> from(std::size_t netns, std::uint32_t ifindex) {
        seen_.insert({netns, ifindex});
        KSMS_TRY(const auto* interfaces, network_.interfaces(netns));
        if (const auto* link = interfaces->link(ifindex))
            KSMS_CHECK(below(netns, *interfaces, *link));
        return std::move(segment_);
    }

private:
    /// What an interface is wired to.
    Status below(std::size_t netns, const Interfaces& interfaces, const Link& link) {
        if (link.kind == "bridge") return ports(netns, interfaces, link.ifindex);
        if (link.kind == "veth") return peer(netns, link);
        if (link.kind == "vlan" || link.kind == "macvlan") return lower(netns, interfaces, link);
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

    Status peer(std::size_t netns, const Link& link) {
        auto other = std::optional(netns);
        if (link.peer_nsid >= 0) {
            KSMS_TRY(other, network_.by_nsid(netns, link.peer_nsid));
        }
        if (!other || link.peer == 0) {
            segment_.leaves_sight = true;
            return {};
        }
        return arrive(*other, link.peer);
    }

    Status lower(std::size_t netns, const Interfaces& interfaces, const Link& link) {
        const auto* device = link.peer_nsid < 0 ? interfaces.link(link.peer) : nullptr;
        if (device == nullptr) {
            segment_.leaves_sight = true;
            return {};
        }
        if (link.kind == "macvlan") KSMS_CHECK(arrive(netns, device->ifindex));
        return below(netns, interfaces, *device);
    }

    /// The far end of a wire: a bridge's port leads on, any other interface is an end.
    Status arrive(std::size_t netns, std::uint32_t ifindex) {
        if (!seen_.insert({netns, ifindex}).second) return {};
        KSMS_TRY(const auto* interfaces, network_.interfaces(netns));
        const auto* link = interfaces->link(ifindex);
        if (link == nullptr) return {};
        const auto* master = link->master == 0 ? nullptr : interfaces->link(link->master);
        if (master == nullptr || master->kind != "bridge") {
            // What is for a macvlan upon it arrives there.
            for (const auto& upper : interfaces->links)
                if (upper.kind == "macvlan" && upper.peer == ifindex && upper.peer_nsid < 0)
                    segment_.endpoints.push_back({netns, upper.ifindex});
            segment_.endpoints.push_back({netns, ifindex});
            return {};
        }
        if (!seen_.insert({netns, master->ifindex}).second) return {};
        segment_.endpoints.push_back({netns, master->ifindex});
        return ports(netns, *interfaces, master->ifindex);
    }

    Status ports(std::size_t netns, const Interfaces& interfaces, std::uint32_t bridge) {
        segment_.bridges.push_back(netns);
        for (const auto& port : interfaces.links) {
            if (port.master != bridge) continue;
            seen_.insert({netns, port.ifindex});
            KSMS_CHECK(below(netns, interfaces, port));
        }
        return {};
    }

    Network& network_;
    Segment segment_;
    std::set<std::pair<std::size_t, std::uint32_t>> seen_;
};

}  // namespace

bool is_tunnel(const Link& link) {
    static const std::set<std::string> wired{"",        "veth", "bridge", "vlan",
                                             "macvlan", "vrf",  "bond"};
    return !link.loopback && !wired.contains(link.kind);
}

Result<Segment> segment_of(Network& network, std::size_t netns, std::uint32_t ifindex) {
    return Walker(network).from(netns, ifindex);
}

}  // namespace ksms
