// SPDX-License-Identifier: BSD-2-Clause
// The bytes of a probe, from the IP header on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/address.hpp"
#include "base/service.hpp"

namespace ksms {

/// What all probes of a scan share.
struct ProbeHeader {
    Address source, destination;
    std::uint16_t source_port{0};  ///< of entry 0
    std::uint8_t dscp{0};          ///< of the job, in the token
    std::uint8_t carried{0};       ///< in the IP header
    std::uint32_t generation{0};
    std::array<std::uint32_t, 4> token_key{};
    std::uint8_t port_step{0};  ///< from one entry's source port to the next one's
    /// Of this entry's probes.
    [[nodiscard]] std::uint16_t port_of(std::size_t entry) const {
        return static_cast<std::uint16_t>(source_port + entry * port_step);
    }
};

/// IPv6 (40) + TCP with its options (40).
inline constexpr std::size_t kMaxProbeSize = 80;

/// What a probe is known by, as it stands in the packet.
/// @param probe  its index: entry * services + service
std::uint32_t probe_token(const ProbeHeader& header, std::uint32_t probe);

/// A TCP SYN (sequence number = token; MSS, SACK, timestamps and window scale as Linux sends them,
/// since `-m tcpmss` drops a bare one) or a UDP datagram (16 bytes, abi.h), marked, with right
/// checksums.
/// @param probe  its index: entry * services + service
/// @return the packet's size
std::size_t build_probe(const ProbeHeader& header, const Service& service, std::uint32_t probe,
                        std::span<std::uint8_t, kMaxProbeSize> packet);

/// A probe without the fields that differ from probe to probe: destination port, token and
/// transport checksum are 0.
struct ProbeTemplate {
    std::array<std::uint8_t, kMaxProbeSize> bytes{};
    std::size_t size{0};
    std::uint32_t sum{0};  ///< RFC 1071, of pseudo header and segment, not folded
};

/// @param ttl  TTL or hop limit
ProbeTemplate build_template(const ProbeHeader& header, std::uint8_t protocol, std::uint8_t ttl);

}  // namespace ksms
