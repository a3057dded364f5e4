// SPDX-License-Identifier: BSD-2-Clause
// A second parser of packets, written from the RFCs in plain C++, for the BPF programs to be held
// against. It shares nothing with bpf/.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ksms::test {

enum class Kind {
    not_ip,
    unparsable,  ///< it says that it is IP, and is not
    other,       ///< IP with a transport protocol other than TCP and UDP, or a hidden one
    fragment,    ///< not the first one: it has no ports
    transport,   ///< TCP or UDP
};

struct Parsed {
    Kind kind{Kind::not_ip};
    int family{0};
    std::array<std::uint8_t, 16> source{}, destination{};  ///< IPv4 in the first four
    std::uint8_t dscp{0}, hop_limit{0}, protocol{0};
    std::uint32_t length{0};     ///< what IP says, its header included
    bool complete{false};        ///< the frame has all of it
    bool tagged{false};          ///< VLAN
    bool first_fragment{false};  ///< more are to follow
    std::uint16_t source_port{0}, destination_port{0};
    std::uint8_t tcp_flags{0};
    std::uint32_t sequence{0};
    bool repeats_sequence{false};  ///< TCP: with 20 bytes of options, a probe's timestamp
    std::span<const std::uint8_t> payload{};  ///< UDP: what is there of it
};

/// The kernel of an skb may have taken a tag and left the next one in front of the network header
/// or behind it; a frame in XDP is as it came.
enum class FrameOf { skb, xdp };

/// @param frame  Ethernet, from the destination's address on; what `payload` points into
Parsed parse_by_rfc(std::span<const std::uint8_t> frame, FrameOf from);

}  // namespace ksms::test
