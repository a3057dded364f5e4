// SPDX-License-Identifier: BSD-2-Clause
// Follows one kind of packet from namespace to namespace by the kernels' own routing answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/service.hpp"
#include "judge/plan.hpp"
#include "route/network.hpp"
#include "route/segment.hpp"

namespace ksms {

/// A way in numbers of the network; the plan turns them into its own.
struct Trace {
    struct Hop {
        std::size_t netns{0};
        std::uint32_t ingress{0}, egress{0};
        bool local{false};
        bool wraps{false};  ///< see PlanInterface::tunnel
    };
    struct NextHop {
        std::size_t netns;
        std::uint32_t ifindex;
        Address address;
        bool nobody{false};  ///< see PlanNeighbour
    };
    std::vector<Hop> hops;
    std::vector<NextHop> neighbours;  ///< that the way needs, the source's first
    std::uint32_t leaves{0};          ///< the source's interface; 0: the kernel may choose another
    bool by_socket{false};            ///< see PlanPath
    std::optional<std::size_t> host;  ///< namespace that owns the destination and does not forward
    std::set<std::size_t> bridges;    ///< namespaces of bridges between
    PathEnd end{PathEnd::destination};
    std::string detail;
    std::string refusal;  ///< see PlanPath
};

struct Detour;

class Tracer {
public:
    Tracer(Network& network, Address source, Address destination, std::uint8_t tos,
           std::uint16_t source_port)
        : network_(network),
          source_(std::move(source)),
          destination_(std::move(destination)),
          tos_(tos),
          source_port_(source_port) {}

    /// The source port of what is traced from now on.
    void use_port(std::uint16_t port) { source_port_ = port; }
    /// The way of this service's packets from the namespace `entry`.
    Result<Trace> trace(std::size_t entry, const Service& service);
    /// What this router alone does with what comes in by `ingress`.
    Result<Trace> trace_one(std::size_t router, std::uint32_t ingress, const Service& service);
    /// Where else a firewall's mark could lead it: asks every router seen so far with each mark
    /// that its rules name, and goes on from there. Adds to routers() and next().
    Status explore_marks(const Service& service);

    /// Where a router leads what it let out by a way that no question showed before: meets the
    /// routers behind. Where the routes do not explain it, everybody on that link who forwards.
    Status explore_detour(std::size_t netns, const Detour& detour);

    /// Every namespace whose rules had a say.
    [[nodiscard]] const std::set<std::size_t>& asked() const { return asked_; }
    /// Routers in the order they were met.
    [[nodiscard]] const std::vector<std::size_t>& routers() const { return routers_; }
    /// (router or entry, egress) -> routers behind it
    [[nodiscard]] const std::map<std::pair<std::size_t, std::uint32_t>, std::set<std::size_t>>&
    next() const {
        return next_;
    }

    /// That a way needs which a mark or another port's hash may lead.
    [[nodiscard]] const std::vector<Trace::NextHop>& neighbours() const { return neighbours_; }

private:
    struct Step {
        std::optional<Segment::Endpoint> to;    ///< who takes the packet
        std::vector<Segment::Endpoint> others;  ///< who owns the next hop too
        bool leaves_sight{false};
        bool nobody{false};  ///< see PlanNeighbour
    };
    RouteQuestion question(const Service& service, std::uint32_t iif, std::uint32_t mark) const;
    /// From here on, until the trace has `most` hops.
    Result<Trace> follow(Trace trace, std::size_t at, std::uint32_t ingress, const Service& service,
                         std::size_t most);
    Status leave(Trace& trace, std::size_t entry, const Service& service,
                 const RouteAnswer& answer);
    Status meet_next_hops(std::size_t netns, std::uint32_t ingress, const Service& service);
    Status meet_behind(std::size_t netns, const RouteAnswer& answer);
    Result<std::optional<Segment::Endpoint>> meet_next(std::size_t netns, const RouteAnswer& answer,
                                                       const Address& destination);
    Result<Step> step(std::size_t netns, std::uint32_t egress, const Address& next_hop,
                      std::set<std::size_t>* bridges);
    Status look_for_proxy(std::size_t netns, std::uint32_t egress, const Address& next_hop,
                          const Segment& wire, Step& step);
    Result<std::optional<Segment::Endpoint>> with_mac(
        const std::vector<Segment::Endpoint>& endpoints, const Mac& mac);
    Status meet_all_on(std::size_t netns, std::uint32_t egress, int family);
    Status meet_others(std::size_t netns, std::uint32_t egress, const Step& step);
    Result<const Segment*> segment(std::size_t netns, std::uint32_t ifindex);
    Result<bool> link_is_up(std::size_t netns, std::uint32_t ifindex);
    void meet(std::size_t router, std::uint32_t ingress);
    void stop(Trace& trace, PathEnd end, std::size_t netns, const std::string& target) const;
    Status refuse(Trace& trace, std::size_t netns, const RouteAnswer& answer) const;
    Status explore_from(std::size_t netns, std::uint32_t ingress, std::uint32_t mark,
                        const Service& service);

    Network& network_;
    Address source_, destination_;
    std::uint8_t tos_;
    std::uint16_t source_port_;
    std::set<std::size_t> asked_;
    std::vector<Trace::NextHop> neighbours_;
    std::vector<std::size_t> routers_;
    std::set<std::pair<std::size_t, std::uint32_t>> ingresses_;
    std::map<std::pair<std::size_t, std::uint32_t>, std::set<std::size_t>> next_;
    std::map<std::pair<std::size_t, std::uint32_t>, Segment> segments_;
    std::set<std::tuple<std::size_t, std::uint32_t, std::uint32_t>> explored_;
};

}  // namespace ksms
