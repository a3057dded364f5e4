// SPDX-License-Identifier: BSD-2-Clause
// The plan: where the probes leave, which routers they should meet and by which interfaces, asked
// of the kernels themselves before anything is sent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/firewall_rules.hpp"
#include "base/service.hpp"
#include "judge/probe_numbers.hpp"

namespace ksms {

/// A namespace of the plan: which one it is, and no hold on it. Network::netns() has that.
class PlanNetns {
public:
    PlanNetns() = default;
    /// @param number  in the network that the plan was made of
    PlanNetns(std::size_t number, std::string name, std::uint32_t inode)
        : number_(number), name_(std::move(name)), inode_(inode) {}
    [[nodiscard]] std::size_t number() const { return number_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::uint32_t inode() const { return inode_; }
    bool operator==(const PlanNetns&) const = default;

private:
    std::size_t number_{0};
    std::string name_;
    std::uint32_t inode_{0};
};

struct PlanInterface {
    std::uint32_t ifindex{0};
    std::string name;
    bool tunnel{false};  ///< what leaves by it goes on in another packet, or may do so
    bool operator==(const PlanInterface&) const = default;
};

/// Why a predicted path ends where it ends.
enum class PathEnd {
    destination,  ///< leaves the last router for the destination's own link, or reaches a host that
                  ///< owns it
    local,        ///< the last router owns the destination
    leaves_machine,  ///< the next hop is on a link that leads out of the machine (a physical or
                     ///< unknown interface)
    no_route,        ///< the last router has none (its ingress counts; the probe is lost there)
    refused,         ///< blackhole, unreachable or prohibit
    no_next_hop,     ///< nobody on the link owns the gateway
    link_down,       ///< the egress interface is down or without carrier
    loop,            ///< a router came twice
    onward,          ///< isolated: to the next router
    not_forwarding,  ///< a namespace that does not forward and does not own the destination
};

/// One router on a predicted path.
struct PlanHop {
    std::size_t router{0};  ///< index into Plan::routers
    PlanInterface ingress;  ///< where the probe comes in
    PlanInterface egress;   ///< where it leaves; ifindex 0: it does not
    bool local{false};      ///< the router itself owns the destination
    bool operator==(const PlanHop&) const = default;
};

struct PlanPath {
    std::vector<PlanHop> hops;
    PathEnd end{PathEnd::destination};
    std::string detail;     ///< for people: "br-core has no route to 10.9.9.9"
    std::string refusal{};  ///< of PathEnd::refused: "blackhole (10.2.0.0/16)"; "": not known
    /// By which the source sends it; ifindex 0: that is not certain.
    PlanInterface leaves{};
    /// A raw socket's packet would leave another way than a real one (`ip rule … ipproto … dport …`
    /// in the source's namespace): a socket of the service's protocol must send it.
    bool by_socket{false};
    bool elsewhere{false};  ///< isolated: this router is not on the service's way
    bool no_entry{false};   ///< isolated: nothing is injected, and `detail` says why
    bool operator==(const PlanPath&) const = default;
};

/// A router: its namespace, and every interface that a tap belongs on.
struct PlanRouter {
    PlanNetns netns;
    std::vector<PlanInterface>
        interfaces;     ///< all that are not enslaved and not loopback, up or down
    bool wanted{true};  ///< false: on the way, but --router or --entry-only leaves it out of every
                        ///< answer
    bool owns_destination{false};     ///< what it accepts has arrived, by whatever way it came
    std::vector<RateLimit> limits{};  ///< of its firewall
    /// Rules of its firewall that answer by what came before, which this scan may have been.
    std::vector<std::string> memories{};
    /// Per service: memories[n - 1] may have stopped it, or let it pass; 0: none; or empty.
    std::vector<std::uint8_t> stopped_by_memory{}, passed_by_memory{};
    /// Per service: one of those counts its packets itself, so that there is no clean state; or
    /// empty.
    std::vector<bool> counted_by_memory{};
};

/// Where a router is given the probes (--mode isolated).
struct PlanInjection {
    PlanInterface interface;  ///< of a bridge, the port
    Mac mac{};                ///< of the interface, or its bridge; zeros where it has none
    /// Of the interface that sends it there; by default that of a neighbour that is none.
    Mac from{0x02, 'k', 's', 'm', 's', 0};
    std::uint8_t ttl{64};  ///< that a packet of the source has there
    std::uint32_t hop{1};  ///< the router's place on the way
    /// The other end of a veth pair, which sends it through an XDP program at `interface`; without
    /// one the stack is given it, behind XDP.
    struct Peer {
        PlanNetns netns;
        std::uint32_t ifindex{0};
    };
    std::optional<Peer> peer{};
    /// Why nothing that is injected comes to the router as what the way brings; "": it does.
    std::string impossible{};
};

/// A namespace that owns the source: the probes of one entry leave from it. In isolated mode one
/// router at one of its interfaces, on the way from one such namespace.
struct PlanEntry {
    PlanNetns netns;
    std::vector<PlanInterface> interfaces;  ///< an egress tap on each
    bool source_is_router{false};  ///< the source namespace is itself a router of the path (its own
                                   ///< address as source)
    std::optional<PlanInjection> injection{};
    std::vector<RateLimit> limits{};  ///< of its firewall
    std::string source{};             ///< isolated: where its way begins; "": in none
    [[nodiscard]] const std::string& name() const { return source.empty() ? netns.name() : source; }
};

/// A neighbour that a path needs resolved before the first probe.
struct PlanNeighbour {
    PlanNetns netns;  ///< an entry or a router of this plan
    PlanInterface interface;
    Address address;             ///< gateway, or the destination itself
    bool is_destination{false};  ///< may be faked where nobody answers; a gateway never
    /// The whole link is in sight, and on it is neither who owns the address nor a router that
    /// could answer for it.
    bool nobody{false};
};

/// A scan sends in two turns, so that what its own packets have left in a firewall's lists meets as
/// few of its probes as possible.
enum class Turn : std::uint8_t {
    unremembered,  ///< no rule remembers them
    remembered,    ///< a rule that others ask may
};

struct Plan {
    std::vector<PlanEntry> entries;
    std::vector<PlanRouter> routers;  ///< each once, in the order they are met
    std::vector<PlanNetns>
        segments;  ///< namespaces of bridges between them (drops there are noted)
    std::vector<PlanNetns> destination_hosts;  ///< namespaces that own the destination and do not
                                               ///< forward it, on the path's last link; where no
                                               ///< path gets so far, one of this machine
    std::vector<std::vector<PlanInterface>> destination_interfaces;  ///< of each of those
    std::vector<PlanPath> paths;                                     ///< each different one once
    /// One for each probe (see numbers()): an index into paths.
    std::vector<std::uint32_t> path_of;
    /// (router, egress ifindex) -> routers that may come next; used where the evidence leaves the
    /// prediction
    std::map<std::pair<std::size_t, std::uint32_t>, std::vector<std::size_t>> next;
    std::vector<std::vector<std::size_t>> first;  ///< per entry: routers that may come first
    std::vector<PlanNeighbour> neighbours;
    std::uint64_t routed_dscps{0};  ///< bit n: a rule on the way looks at tos and catches DSCP n
    std::vector<bool> dscp_routed;  ///< per probe: the mark would lead it another way
    std::vector<bool>
        dscp_filtered;   ///< per service: a firewall's rule looks at the DSCP; or empty
    bool sorted{false};  ///< what is no firewall may look at the DSCP: a filter, a program
    std::vector<RateLimit> segment_limits;  ///< of the firewalls of all segments
    /// Rules of sources and segments that change a packet for what came before.
    std::vector<std::string> changing;
    std::vector<std::uint8_t> changed;  ///< per service, by changing[n - 1]; 0: by none; or empty
    /// Per service: a rule on the way may enter it into a list that a rule asks, or take it off; or
    /// empty.
    std::vector<bool> remembered;
    bool remembers_before{false};      ///< a rule may remember what was sent before this plan
    std::vector<std::string> sparing;  ///< --gentle: rules that would remember a probe
    /// --gentle, per service: not sent, for the sake of sparing[n - 1]; 0: sent; or empty
    std::vector<std::uint8_t> spared;
    bool entry_only{false};  ///< only the first router of a way is in its answer
    bool isolated{false};    ///< every entry is one router that answers for itself
    bool goes_on{false};     ///< made with detours: a probe may go on behind its predicted end
    std::vector<std::string> warnings;  ///< for people: "--router hq-dmz is on no path"
    /// Is this router in the answer for a probe that met it as the nth (from 0)?
    [[nodiscard]] bool answers(std::size_t router, std::size_t place) const {
        return routers[router].wanted && (!entry_only || place == 0);
    }
    /// Isolated: is this probe given to a router that comes, on one way, before that of another?
    [[nodiscard]] bool comes_before(std::uint32_t probe, std::uint32_t other) const {
        const auto& entry = entries[numbers().entry(probe)];
        const auto& behind = entries[numbers().entry(other)];
        return !paths[path_of[probe]].hops.empty() && entry.source == behind.source &&
               entry.injection->hop < behind.injection->hop;
    }
    [[nodiscard]] Turn turn_of(std::size_t probe) const {
        return !remembered.empty() && remembered[numbers().service(probe)] ? Turn::remembered
                                                                           : Turn::unremembered;
    }
    [[nodiscard]] ProbeNumbers numbers() const {
        return ProbeNumbers(entries.empty() ? 0 : path_of.size() / entries.size());
    }
};

/// Source ports of probes: above the registered ones that daemons listen on, below what Linux gives
/// to clients last (32768–60999 is its default range; a port in use is passed over).
inline constexpr std::uint16_t kFirstSourcePort = 33000,
                               kSourcePorts = 27000;  // KSMS_MAX_ENTRIES more are free behind them

}  // namespace ksms
