// SPDX-License-Identifier: BSD-2-Clause
// rtnetlink: requests and replies as values. A socket belongs to one namespace.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "os/netns.hpp"

struct nlmsghdr;

namespace ksms {

class Batch;
class Exchange;
class Message;

/// A netlink socket in a namespace; the only place that receives netlink messages. The owner of the
/// namespace may be hostile: messages that the kernel did not send are dropped, and a request takes
/// at most ten seconds.
class Netlink {
public:
    using Each = std::function<void(const nlmsghdr*)>;
    /// Gets the index of the request in a batch and a message, including acknowledgements. An error
    /// ends the reading.
    using EachOf = std::function<Status(std::size_t which, const nlmsghdr*)>;
    enum class Heard {
        nothing,    ///< within the time
        something,  ///< a datagram, possibly of another process (not shown)
        lost        ///< notifications were lost (ENOBUFS)
    };

    /// NETLINK_ROUTE.
    /// @param groups  RTMGRP_* bit mask to listen to; 0: replies only
    static Result<Netlink> open(const Netns& netns, std::uint32_t groups = 0);
    /// NETLINK_NETFILTER. A request to a part of netfilter that is a module loads the module.
    static Result<Netlink> open_netfilter(const Netns& netns);
    /// NETLINK_XFRM. Opening it loads the module.
    static Result<Netlink> open_xfrm(const Netns& netns);

    /// Sends one request with NLM_F_ACK and waits for the acknowledgement.
    /// @param what  operation and object for the error ("add a filter to eth0 in hq-gw")
    /// @return the kernel's errno, and the text of its extended acknowledgement where it sent one
    Status request(Message& message, const std::string& what);
    /// Sends a request and passes the reply to `each`.
    Status query(Message& message, const std::string& what, const Each& each);
    /// Dumps objects. If they changed during the dump (NLM_F_DUMP_INTR) or messages were lost,
    /// dumps again, at most eight times.
    /// @param begin  called before each attempt: discards the results of the last one
    Status dump(Message& message, const std::string& what, const std::function<void()>& begin,
                const Each& each);
    /// Sends several requests at once and reads until the last reply.
    /// @param last  index of the last request that the kernel replies to
    Status exchange(Batch& batch, std::size_t last, const std::string& what, const EachOf& each);

    /// Joins a multicast group (NFNLGRP_NFTRACE, …).
    /// @param room  size of the receive buffer in bytes
    Status listen(int group, int room);
    /// Sets the size of the receive buffer.
    void make_room(int bytes);
    /// Passes one datagram of notifications to `each`.
    Result<Heard> wait(nanoseconds timeout, const Each& each);
    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& netns() const { return netns_; }

private:
    using Datagram = std::function<Status(std::span<const char>)>;
    static Result<Netlink> open(const Netns& netns, std::uint32_t groups, int protocol);
    Status send(std::span<const char> requests, const std::string& what);
    Result<Heard> receive(Instant deadline, const std::string& what, const Datagram& take);
    /// @return false if messages were lost or the objects changed during the dump
    Result<bool> converse(std::span<const char> requests, Exchange& exchange, bool dump,
                          Instant deadline, const std::string& what);
    Status ask(Message& message, bool dump, const std::string& what,
               const std::function<void()>& begin, const Each& each);

    Fd fd_;
    std::string netns_;
    std::uint32_t sequence_{0};
};

struct Link {
    std::uint32_t ifindex{0};
    std::string name;
    std::string kind;  ///< IFLA_INFO_KIND: "veth", "bridge", …; "" for physical ones and lo
    std::uint16_t arp_type{0};  ///< ARPHRD_ETHER, ARPHRD_NONE, …
    bool up{false};             ///< IFF_UP
    bool carrier{false};        ///< IFF_LOWER_UP
    bool loopback{false};
    bool no_arp{false};  ///< IFF_NOARP or IFF_POINTOPOINT: no neighbour to resolve
    std::uint32_t mtu{0};
    std::uint32_t master{0};  ///< bridge, bond or VRF that it is enslaved to; 0: none
    std::uint32_t peer{0};    ///< IFLA_LINK; for a veth the index of its peer
    int peer_nsid{-1};        ///< IFLA_LINK_NETNSID; -1: the same namespace
    /// Of a VLAN device: IFLA_VLAN_PROTOCOL (ETH_P_8021Q, ETH_P_8021AD) << 16 | IFLA_VLAN_ID
    std::uint32_t vlan{0};
    bool filters_vlans{false};  ///< of a bridge: IFLA_BR_VLAN_FILTERING
    std::optional<Mac> mac;
    std::uint32_t xdp_program{0};   ///< id of an XDP program on it; 0: none
    bool xdp_in_driver{false};      ///< it runs before the stack has a packet (not generic)
    std::uint64_t sent_packets{0};  ///< IFLA_STATS64, tx_packets
};
Result<std::vector<Link>> links(Netlink& netlink);
/// Those that packets come to the namespace by: neither loopback, nor ports of a bridge or a bond,
/// which hand all to their master. A VRF's ports keep their packets and addresses.
[[nodiscard]] std::vector<Link> own_links(std::vector<Link> all);

struct InterfaceAddress {
    std::uint32_t ifindex{0};
    Prefix prefix;          ///< the local address with the prefix length
    bool tentative{false};  ///< IPv6, duplicate address detection still runs
};
Result<std::vector<InterfaceAddress>> addresses(Netlink& netlink);

/// The id of `other` in the namespace of `netlink` (RTM_GETNSID); -1: it has none.
Result<int> nsid(Netlink& netlink, const Netns& other);

/// `ip route get DESTINATION from SOURCE iif IIF ipproto P sport S dport D tos T mark M`
struct RouteQuestion {
    Address destination;
    Address source;            ///< none: the kernel chooses
    std::uint32_t iif{0};      ///< 0: a locally generated packet
    std::uint8_t protocol{0};  ///< IPPROTO_TCP, IPPROTO_UDP, or 0
    std::uint16_t source_port{0};
    std::uint16_t destination_port{0};
    std::uint8_t tos{0};  ///< the whole byte
    std::uint32_t mark{0};
    bool whole_route{false};  ///< answer with the table's entry (RTM_F_FIB_MATCH), not with the
                              ///< next hop of this packet
};
struct RouteAnswer {
    int error{0};  ///< 0, or the errno that the kernel refused with (ENETUNREACH, EHOSTUNREACH,
                   ///< EACCES, EXDEV, …)
    std::uint8_t type{0};  ///< RTN_UNICAST, RTN_LOCAL, RTN_BLACKHOLE, …
    std::uint32_t oif{0};
    Address
        gateway;  ///< none: the destination is on the link; may be of the other family (RTA_VIA)
    Address preferred_source;
    std::uint32_t table{0};
    std::uint32_t mtu{0};  ///< 0: the interface's
    bool several{false};   ///< several next hops; only seen in a whole route
    Prefix prefix;         ///< of a whole route: the table's entry; family 0: the default route
    std::uint32_t metric{0};
    bool encapsulates{false};  ///< it puts packets into others (RTA_ENCAP: MPLS, SRv6, …)
    bool operator==(const RouteAnswer&) const = default;
};
/// A refusal of the kernel is an answer (`error`), not an error.
Result<RouteAnswer> route(Netlink& netlink, const RouteQuestion& question);

/// The entries of one routing table (RTM_GETROUTE, dump).
Result<std::vector<RouteAnswer>> table_routes(Netlink& netlink, int family, std::uint32_t table);

/// Whether the namespace forwards packets of this family that enter by the interface.
Result<bool> forwards(Netlink& netlink, int family, std::uint32_t ifindex);
/// rp_filter (RFC 3704) that applies to an interface: the larger of conf/all and its own
/// (ip-sysctl). IPv4 only. @return 0: off, 1: strict, 2: loose
Result<std::uint32_t> rp_filter(Netlink& netlink, std::uint32_t ifindex);

/// A rule of the policy routing database: its selectors and its action.
struct RoutingRule {
    int family{0};
    std::uint32_t priority{0};
    Prefix source, destination;  ///< family 0: any
    std::string iif, oif;
    std::uint8_t tos{0};
    std::uint8_t tos_mask{0};  ///< 0: any; for a tos rule the bits that the kernel compares
                               ///< (RT_TOS: 0x1c, see fib_rules), for a dscp rule (6.13) 0xfc
    std::uint32_t mark{0}, mark_mask{0};
    std::uint8_t protocol{0};
    std::uint16_t source_port_first{0}, source_port_last{0};  ///< last 0: any
    std::uint16_t port_first{0}, port_last{0};                ///< destination ports; last 0: any
    /// The bits of a port that are compared, where it is one port (Linux 6.15).
    std::uint16_t source_port_mask{0xffff}, port_mask{0xffff};
    std::uint8_t action{0};  ///< FR_ACT_*
    std::uint32_t table{0};
    bool inverted{false};
    int suppressed_length{-1};  ///< ignore routes with a prefix of at most this length; -1: none
    std::uint32_t jump{0};      ///< FR_ACT_GOTO: priority of the next rule
    bool l3mdev{false};         ///< the table is that of the device's VRF
};
/// In the order in which the kernel evaluates them.
Result<std::vector<RoutingRule>> rules(Netlink& netlink, int family);

/// Time limit of a neighbour resolution. Over a veth a neighbour answers within 1 ms.
constexpr std::chrono::milliseconds kNeighbourPatience{50};

struct Neighbour {
    std::uint32_t ifindex{0};
    Address address;
    std::optional<Mac> mac;
    std::uint16_t state{0};    ///< NUD_*
    std::uint8_t protocol{0};  ///< NDA_PROTOCOL: who added it; 0: the kernel
};
Result<std::vector<Neighbour>> neighbours(Netlink& netlink, int family);
Result<std::optional<Neighbour>> neighbour(Netlink& netlink, std::uint32_t ifindex,
                                           const Address& address);
/// Makes the kernel resolve the address now, as for a packet (NTF_USE). Does not wait.
Status use_neighbour(Netlink& netlink, std::uint32_t ifindex, const Address& address);
/// Whether packets can be sent by an entry in this state (NUD_VALID of include/net/neighbour.h).
[[nodiscard]] bool neighbour_works(std::uint16_t state);
/// use_neighbour(), unless the entry works already, and waits for the answer, at most
/// kNeighbourPatience.
/// @param listening  a socket of the same namespace that has joined RTMGRP_NEIGH
Status resolve_neighbour(Netlink& netlink, Netlink& listening, std::uint32_t ifindex,
                         const Address& address);
/// RTM_NEWNEIGH with NLM_F_CREATE only: turns a missing, INCOMPLETE or FAILED entry into
/// NUD_REACHABLE and does not change a working one.
Status add_neighbour(Netlink& netlink, std::uint32_t ifindex, const Address& address,
                     const Mac& mac, std::uint8_t protocol);
Status remove_neighbour(Netlink& netlink, std::uint32_t ifindex, const Address& address);
/// Parses an RTM_NEWNEIGH or RTM_DELNEIGH notification; nothing for any other message.
std::optional<Neighbour> parse_neighbour(const nlmsghdr* message);

/// A queueing discipline on an interface, as `tc qdisc show` lists them.
struct Qdisc {
    std::uint32_t ifindex{0};
    std::uint32_t handle{0}, parent{0};
    std::string kind;
};
Result<std::vector<Qdisc>> qdiscs(Netlink& netlink);
/// NLM_F_EXCL: EEXIST if there is a clsact or ingress qdisc.
Status add_clsact(Netlink& netlink, std::uint32_t ifindex);
Status remove_clsact(Netlink& netlink, std::uint32_t ifindex);

/// A filter of a clsact qdisc.
struct Filter {
    std::uint32_t ifindex{0};
    std::uint8_t direction{0};  ///< enum ksms_direction: 0 ingress, 1 egress
    std::uint16_t priority{0};
    std::uint32_t handle{0};
    std::uint32_t chain{0};
    std::string kind;          ///< "bpf", "u32", "flower", …
    std::string name;          ///< TCA_BPF_NAME
    std::uint32_t program{0};  ///< TCA_BPF_ID
    std::uint32_t classid{0};  ///< TCA_BPF_CLASSID
};
Result<std::vector<Filter>> filters(Netlink& netlink, std::uint32_t ifindex,
                                    std::uint8_t direction);
/// Does a queueing discipline or a filter of the namespace treat packets by what is in them?
/// @param ours  the name of filters that do not
Result<bool> sorts_packets(Netlink& netlink, std::string_view ours);
/// A cls_bpf filter in direct-action mode, protocol all, chain 0; NLM_F_CREATE | NLM_F_EXCL, never
/// replaces.
/// @param filter  ifindex, direction, priority, handle, name, classid
Status add_bpf_filter(Netlink& netlink, const Filter& filter, int program_fd);
/// Removes by interface, direction, priority and handle.
Status remove_filter(Netlink& netlink, const Filter& filter);

}  // namespace ksms
