// SPDX-License-Identifier: BSD-2-Clause
// What the kernel told of one probe at one router. Values only: the verdict is a pure function of
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "judge/cause.hpp"

namespace ksms {

/// One tap direction.
struct Sighting {
    std::uint64_t packets{0};
    std::uint64_t bytes{0};
    Instant first, last;
    std::uint32_t strangers{0};
    std::uint32_t ifindex{0};
    std::uint8_t seen_dscp{0};
    bool remarked{false};
    bool translated{false};  ///< the four below are set
    bool source_translated{false}, destination_translated{false};
    Address source, destination;
    std::uint16_t source_port{0}, destination_port{0};
    bool operator==(const Sighting&) const = default;
};

struct RouterEvidence {
    Sighting in, out;
    Drop drop;
    Reply reply;                 ///< what the router itself sent back
    bool accepted{false};        ///< of a trail: it took the packet for itself
    bool outer_accepted{false};  ///< … what the packet was in, and nobody saw the packet again
    /// Of a trail: what the taps counted all the same.
    std::uint64_t in_packets{0}, in_bytes{0}, out_packets{0}, out_bytes{0};
    [[nodiscard]] bool saw() const { return in.packets > 0 || out.packets > 0; }
    [[nodiscard]] bool touched() const { return saw() || drop.count > 0; }
    /// Of one that was touched.
    [[nodiscard]] Instant first_touch() const {
        if (in.packets > 0) return in.first;
        return out.packets > 0 ? out.first : drop.at;
    }
    bool operator==(const RouterEvidence&) const = default;
};

/// One probe: an (entry, service).
struct ProbeEvidence {
    /// Whose packets were seen. In isolated mode those of an earlier router's probe, where they
    /// came on to this one.
    std::uint32_t probe{0};
    /// Isolated: a router before this one makes another packet of it, which did not come here.
    bool given_another{false};
    std::uint32_t sent{0};         ///< how often
    std::uint32_t tried_again{0};  ///< of that, alone, after a firewall had stopped it
    std::uint32_t looked_at{0};    ///< of that, alone, for its trail
    bool out_of_looks{false};      ///< its counters prove nothing, and no time was left for a trail
    bool own{false};   ///< from a trail: the sightings and drops are of one packet, without copies
    bool held{false};  ///< from a trail: it came in where it was seen last, and is still there
    bool undecided{false};  ///< a firewall that limits rates stopped it; no try alone says more
    /// How often the packets were sent that the sightings are of.
    [[nodiscard]] std::uint32_t sent_for_sights() const { return own ? 1 : sent; }
    /// Why it never was. Why::nothing: it was; send_failed, no_way: the text says why ("No route to
    /// host"); interrupted; deadline.
    struct NotSent {
        Why why{Why::nothing};
        std::string text;
        bool operator==(const NotSent&) const = default;
    };
    NotSent not_sent;
    /// When the first packet was sent that a rule may remember (Plan::remembered).
    Instant remembered_from;
    /// Has any of it been seen since then?
    [[nodiscard]] bool may_meet_memory() const;
    Sighting source;       ///< egress of the source's namespace
    Drop source_drop;      ///< in the source's namespace, before it left
    Drop segment_drop;     ///< in a bridge's namespace between routers
    Sighting destination;  ///< ingress of a destination host on this machine
    Drop destination_drop;
    Reply destination_reply;
    std::size_t destination_host{
        0};  ///< index into Plan::destination_hosts: the three above are its
    std::vector<RouterEvidence> routers;  ///< indexed as Plan::routers

    /// As if it had been given to this router: without what it met before, and without everything
    /// where it did not come there.
    void begin_at(std::size_t router);
    void forget_sights();
};

}  // namespace ksms
