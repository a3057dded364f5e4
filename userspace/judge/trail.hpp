// SPDX-License-Identifier: BSD-2-Clause
// What happened to one probe, in order, in every namespace of the machine.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "judge/drop.hpp"
#include "judge/note.hpp"

namespace ksms {

/// One buffer of the kernel (struct sk_buff): the same one, until it is dropped or consumed. A
/// clone is another one over the same data.
struct PacketId {
    std::uint64_t buffer{0}, data{0};
    bool operator==(const PacketId&) const = default;
};

struct TrailEvent {
    enum class Kind : std::uint8_t {
        came_in,   ///< by a device
        went_out,  ///< a device sends it, behind its queue
        dropped,
        consumed,  ///< its buffer was given back, and nobody called that a drop
        routed,    ///< it passed every rule on its way out, to this device
        accepted,  ///< it passed every rule for what is meant for the namespace itself
    };
    Instant at;
    Kind kind{Kind::came_in};
    PacketId packet;
    std::uint32_t netns{0};  ///< inode
    std::uint32_t ifindex{0};
    bool made_here{false};    ///< it came into this namespace by no device
    bool has_socket{false};   ///< it still belongs to the socket that sent it
    bool for_another{false};  ///< a frame that was flooded, to another's address
    bool wrapped{false};      ///< in another packet; the three below are not known
    std::uint8_t dscp{0};
    Endpoint source, destination;
    Drop drop;  ///< of Kind::dropped
    [[nodiscard]] bool is_sight() const { return kind != Kind::dropped && kind != Kind::consumed; }
    [[nodiscard]] bool ends_packet() const {
        return kind == Kind::dropped || kind == Kind::consumed;
    }
};

/// In the order in which it happened. Copies have the same token, so they are in it, too.
using Trail = std::vector<TrailEvent>;

}  // namespace ksms
