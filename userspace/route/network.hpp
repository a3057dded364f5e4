// SPDX-License-Identifier: BSD-2-Clause
// What planning asks of the network. The kernels answer in a scan, a table in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/firewall_rules.hpp"
#include "os/netlink.hpp"
#include "os/netns.hpp"
#include "os/port_rules.hpp"
#include "os/xfrm.hpp"

namespace ksms {

/// Interfaces of one namespace with their addresses.
struct Interfaces {
    std::vector<Link> links;
    std::vector<InterfaceAddress> addresses;
    Instant read;  ///< when the links' figures were; 0: not known, or we have sent packets since
    [[nodiscard]] const Link* link(std::uint32_t ifindex) const;
    [[nodiscard]] bool owns(const Address& address) const;
    [[nodiscard]] bool owns_on(const Address& address, std::uint32_t ifindex) const;
};

/// Namespaces are numbered from 0; a number stays the same as long as the object lives.
class Network {
public:
    virtual ~Network() = default;
    [[nodiscard]] virtual std::size_t size() const = 0;
    [[nodiscard]] virtual const Netns& netns(std::size_t number) const = 0;
    /// The number of a namespace that may not be in the list yet.
    virtual Result<std::size_t> find(std::string_view spec) = 0;
    virtual Result<const Interfaces*> interfaces(std::size_t number) = 0;
    virtual Result<const std::vector<RoutingRule>*> rules(std::size_t number, int family) = 0;
    /// What the firewall there says about a scan.
    virtual Result<FirewallRules> firewall(std::size_t number, int family) = 0;
    /// Which destination ports the firewall there tells apart, or connection tracking, IPsec and
    /// whatever else looks at packets.
    virtual Result<PortRules> port_rules(std::size_t number, int family) = 0;
    /// A BPF program of somebody else's that sees packets of every namespace, for people; "": there
    /// is none.
    /// @param sends  our own sockets send what is asked about
    virtual Result<std::string> foreign_program(bool sends) = 0;
    /// Does a filter, a queueing discipline or a program of somebody else's treat packets there by
    /// what is in them?
    virtual Result<bool> sorts_packets(std::size_t number) = 0;
    virtual Result<RouteAnswer> route(std::size_t number, const RouteQuestion& question) = 0;
    /// Has a route that was asked for put packets into others (RouteAnswer::encapsulates)?
    [[nodiscard]] virtual bool encapsulates() const { return false; }
    /// The entries of one routing table; without the kernel's strict checking
    /// (NETLINK_GET_STRICT_CHK) those of the others too, so look at `table`.
    virtual Result<std::vector<RouteAnswer>> table_routes(std::size_t number, int family,
                                                          std::uint32_t table) = 0;
    /// IPsec policies for what leaves the namespace.
    virtual Result<const std::vector<IpsecPolicy>*> policies(std::size_t number) = 0;
    /// Has the route that answers this several next hops, of which the kernel takes one by a hash?
    virtual Result<bool> several_ways(std::size_t number, const RouteQuestion& question) = 0;
    /// Has one of its routes, in whatever table?
    virtual Result<bool> has_several_ways(std::size_t number, int family) = 0;
    virtual Result<bool> forwards(std::size_t number, int family, std::uint32_t ifindex) = 0;
    /// The namespace that `number` knows by this id; nothing where it is out of sight.
    virtual Result<std::optional<std::size_t>> by_nsid(std::size_t number, int nsid) = 0;
    /// Who answers for an address on a link: asked only where several could. Nothing where nobody
    /// has answered within some milliseconds.
    virtual Result<std::optional<Mac>> neighbour_mac(std::size_t number, std::uint32_t ifindex,
                                                     const Address& address) = 0;
    /// Of the namespaces that do not take part, because they are another user's; "" where all do.
    [[nodiscard]] virtual std::string left_out() const { return {}; }
};

/// Does one of the rules tell ports apart?
[[nodiscard]] bool looks_at_ports(const std::vector<RoutingRule>& rules);

/// May what this route sends from one to the other go on in another packet: of MPLS, of IPsec?
Result<bool> may_wrap(Network& network, std::size_t netns, const RouteAnswer& answer,
                      const Address& from, const Address& to);

/// A namespace that owns the address and does not forward; nothing where there is none. Those that
/// we may not enter are passed over.
Result<std::optional<std::size_t>> host_of(Network& network, const Address& address);

struct ScanRequest;

/// The network of this machine: root's namespaces, those that have a name of `ip netns`, and those
/// that the request names; all with ScanRequest::all_netns.
/// @param may_send  whether neighbour_mac() may have the kernel ask for an address (ARP, NDP)
Result<std::unique_ptr<Network>> kernel_network(bool may_send, const ScanRequest& request);

}  // namespace ksms
