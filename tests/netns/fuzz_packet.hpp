// SPDX-License-Identifier: BSD-2-Clause
// Plain packets that can be told apart: a SYN by its sequence number, a datagram by its content.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ksms::fuzz {

struct PlainPacket {
    int family{4};
    std::string protocol{};  ///< "tcp" or "udp"
    std::string source{}, destination{};
    int source_port{0}, port{0}, dscp{0};
    std::uint32_t number{0};  ///< 16 bits
};

/// An IP packet with its checksums.
std::vector<std::uint8_t> bytes_of(const PlainPacket& packet);

/// @param ip  from the network header on
/// @return nullopt: none of ours
std::optional<PlainPacket> read_packet(std::span<const std::uint8_t> ip);

/// Only its number, from the transport header on.
std::optional<std::uint32_t> read_number(int protocol, std::span<const std::uint8_t> transport);

}  // namespace ksms::fuzz
