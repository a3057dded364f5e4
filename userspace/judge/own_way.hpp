// SPDX-License-Identifier: BSD-2-Clause
// The way of the packet itself out of a trail that also has its copies.
//
// A buffer is one packet until it is dropped or consumed; both are events. The packet that the
// source sent is followed from buffer to buffer: where a bridge floods, the original may go to
// somebody else and a clone to the right one; where a driver, an XDP program or a process rebuilds
// a packet, it comes in again under the same token. Copies (TEE, mirrors, packet sockets) and what
// somebody answers with the same content start where the packet still is, and judge nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "judge/trail.hpp"

namespace ksms {

/// Where the packet starts.
struct Origin {
    std::uint32_t netns{0};    ///< inode: of the source, or of the router that it is given to
    std::uint32_t ifindex{0};  ///< of the interface that it is given to; 0: the source sends it
};

/// A stay in one namespace.
struct Visit {
    std::uint32_t netns{0};
    Trail events;  ///< of the packet itself, there
    [[nodiscard]] const TrailEvent* first(TrailEvent::Kind kind) const;
    [[nodiscard]] const TrailEvent* last(TrailEvent::Kind kind) const;
    [[nodiscard]] const TrailEvent* last_sight() const;
};

struct OwnWay {
    enum class End : std::uint8_t {
        not_begun,  ///< nobody saw it start
        sent_on,    ///< the last that is known: a device sent it
        held,       ///< it came in, and nothing else is known
        accepted,   ///< the namespace took it for itself
        consumed,   ///< it came in and was consumed
        dropped,
    };
    std::vector<Visit> visits;
    End end{End::not_begun};
    bool copied{false};  ///< there were packets with its token that are not on its way
    /// Of End::dropped; else nothing.
    [[nodiscard]] const Drop* drop() const;
};

[[nodiscard]] OwnWay own_way(const Trail& trail, const Origin& origin);

}  // namespace ksms
