// SPDX-License-Identifier: BSD-2-Clause
// What the kernel told of one probe at one router. Values only: the verdict is a pure function of
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/name.hpp"

namespace ksms {

/// One tap direction.
struct Sighting {
    std::uint64_t packets{0};
    std::uint64_t bytes{0};
    std::uint64_t first_ns{0}, last_ns{0};
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

/// What kfree_skb said.
struct DropEvidence {
    std::uint32_t count{0};  ///< 0: nothing was dropped
    std::uint64_t at_ns{0};
    Name reason;            ///< "NETFILTER_DROP"; "" where the kernel gave none
    Name place;             ///< "nft_do_chain"; "" where symbols are hidden
    std::uint8_t hook{0};   ///< enum ksms_hook
    bool no_socket{false};  ///< it was delivered, and nobody listens
    bool neighbour{false};  ///< neighbour resolution failed
    bool operator==(const DropEvidence&) const = default;
};

struct RouterEvidence {
    Sighting in, out;
    DropEvidence drop;
    bool unresolved{false};  ///< at its egress tap nobody knew its next hop's address, and nobody
                             ///< has told it since; of taps that come before that question
    Name answer;  ///< what the router itself sent back: "tcp-reset", see answer_text.hpp; "":
                  ///< nothing
    bool operator==(const RouterEvidence&) const = default;
};

/// One probe: an (entry, service).
struct ProbeEvidence {
    std::uint32_t sent{0};         ///< how often
    std::uint32_t tried_again{0};  ///< of that, alone, after a firewall had stopped it
    bool undecided{false};      ///< a firewall that limits rates stopped it; no try alone says more
    std::string not_sent;       ///< why it never was: "no room in the socket", …
    Sighting source;            ///< egress of the source's namespace
    DropEvidence source_drop;   ///< in the source's namespace, before it left
    DropEvidence segment_drop;  ///< in a bridge's namespace between routers
    Sighting destination;       ///< ingress of a destination host on this machine
    DropEvidence destination_drop;
    Name destination_answer;  ///< as a router's
    std::size_t destination_host{
        0};  ///< index into Plan::destination_hosts: the three above are its
    std::vector<RouterEvidence> routers;  ///< indexed as Plan::routers
};

}  // namespace ksms
