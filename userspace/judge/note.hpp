// SPDX-License-Identifier: BSD-2-Clause
// What is worth telling of a probe beside its verdict.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.hpp"

namespace ksms {

/// In the order in which documents list them.
enum class Note : std::uint8_t {
    local,        ///< the router itself is the destination
    no_listener,  ///< it accepted the probe, and nobody listens
    rejected,     ///< the firewall that dropped it told the sender
    rate_limited,
    neighbour_faked,   ///< the destination's neighbour entry was lent for the scan
    next_hop_missing,  ///< nobody answers for a gateway
    taps_gone,         ///< a tap, an interface or the namespace went away
    dropped_before_router,
    source_firewall,
    synproxy,
    redirected,  ///< a socket of the router took it in the destination's place
    retransmitted,
    dscp_routed,    ///< the scan's mark would lead it another way
    dscp_filtered,  ///< a firewall on the way looks at the DSCP
};
inline constexpr std::uint8_t kNotes = 14;

/// A set of notes.
class Notes {
public:
    void add(Note note) { bits_ = static_cast<std::uint16_t>(bits_ | bit(note)); }
    void add(Notes notes) { bits_ = static_cast<std::uint16_t>(bits_ | notes.bits_); }
    [[nodiscard]] bool has(Note note) const { return (bits_ & bit(note)) != 0; }
    [[nodiscard]] bool empty() const { return bits_ == 0; }
    bool operator==(const Notes&) const = default;

private:
    static constexpr std::uint16_t bit(Note note) {
        return static_cast<std::uint16_t>(1U << static_cast<unsigned>(note));
    }
    std::uint16_t bits_{0};
};

struct Endpoint {
    Address address;
    std::uint16_t port{0};
    auto operator<=>(const Endpoint&) const = default;
};

/// What a router changed of a probe that it passed on.
struct Change {
    std::optional<std::uint8_t> dscp;             ///< it left with this one
    std::optional<Endpoint> destination, source;  ///< it left with these (NAT)
    auto operator<=>(const Change&) const = default;
    [[nodiscard]] bool any() const { return dscp || destination || source; }
};

}  // namespace ksms
