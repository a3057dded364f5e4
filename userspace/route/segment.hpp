// SPDX-License-Identifier: BSD-2-Clause
// What hangs on a link: through veth pairs, bridges, bonds, Open vSwitch and devices upon other
// ones, in whatever namespaces they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "route/network.hpp"

namespace ksms {

struct Segment {
    struct Endpoint {
        std::size_t netns;      ///< number in the network
        std::uint32_t ifindex;  ///< an interface with addresses of its own
        bool operator==(const Endpoint&) const = default;
    };
    std::vector<Endpoint> endpoints;   ///< all but the one it was asked from
    std::vector<std::size_t> bridges;  ///< namespaces of the bridges on the way
    bool leaves_sight{false};  ///< a physical interface, a tunnel, or a peer that cannot be seen
};

/// A link whose other end is found by nothing but the addresses on it: tun, vxlan, gre, wireguard,
/// …
[[nodiscard]] bool is_tunnel(const Link& link);

/// A tunnel whose packets go on in packets of the kernel's.
[[nodiscard]] bool carries_in_another(const Link& link);

/// Of a tunnel: every other link of its kind on this machine may be an end.
Result<Segment> segment_of(Network& network, std::size_t netns, std::uint32_t ifindex);

}  // namespace ksms
