// SPDX-License-Identifier: BSD-2-Clause
// Packets for tests: what is to be in them as a value, then the bytes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ksms/abi.h"
#include "ksms/token.h"

namespace ksms::test {

using Bytes = std::vector<std::uint8_t>;

enum TcpFlag : std::uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16 };

struct IPv6Extension {
    std::uint8_t kind{0};                  ///< its own "next header" number
    std::optional<std::uint8_t> length{};  ///< the length field, where it is to lie
    std::uint16_t fragment{0};             ///< IPPROTO_FRAGMENT: offset and flags
    std::uint8_t units{0};                 ///< 8 bytes each (AH: 4) beyond the smallest
};

struct PacketSpec {
    std::vector<std::uint16_t> tags{};  ///< EtherTypes of the VLAN tags, outer first
    /// The loopback device's own, which test runs are on.
    std::array<std::uint8_t, 6> destination_mac{};
    std::optional<std::uint16_t> ether_type{};
    int family{4};
    std::optional<std::uint8_t> version{};
    std::uint8_t dscp{0}, ttl{64};
    std::uint8_t ihl{
        5};  ///< IPv4: also as many bytes as it says, with 4 the ports stand in the destination
    std::uint16_t fragment{0};              ///< IPv4: flags and offset
    std::optional<std::uint16_t> length{};  ///< IPv4: total, IPv6: payload, where it is to lie
    std::vector<IPv6Extension> extensions{};
    std::array<std::uint8_t, 16> source{}, destination{};
    std::uint8_t protocol{IPPROTO_TCP};
    std::uint16_t source_port{0}, destination_port{0};
    std::uint32_t token{0};  ///< sealed
    std::uint32_t acknowledgement{0};
    std::uint8_t flags{syn};
    std::uint8_t doff{5};
    std::optional<std::uint32_t> stamp{};  ///< TCP: the options of a probe, with this timestamp
    std::uint32_t magic{KSMS_PAYLOAD_MAGIC};
    std::uint16_t payload{KSMS_PAYLOAD_SIZE};  ///< UDP: bytes of it that are sent
    std::optional<std::uint16_t> udp_length{};
    std::uint8_t icmp_type{0}, icmp_code{0};
    Bytes quote{};             ///< ICMP and ICMPv6: what follows the eight bytes of the header
    std::uint16_t padding{0};  ///< Ethernet: bytes behind the end of IP
};

struct Packet {
    Bytes frame;
    std::uint32_t ip_length{0};  ///< what IP says, its header included
};

namespace detail {
inline void put8(Bytes& to, unsigned value) {
    to.push_back(static_cast<std::uint8_t>(value));
}
inline void put16(Bytes& to, unsigned value) {
    put8(to, value >> 8);
    put8(to, value);
}
inline void put32(Bytes& to, std::uint32_t value) {
    put16(to, value >> 16);
    put16(to, value);
}
inline void append(Bytes& to, const Bytes& more) {
    to.insert(to.end(), more.begin(), more.end());
}

/// RFC 1071.
inline std::uint16_t checksum(const Bytes& header) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < header.size(); i += 2) sum += header[i] * 256U + header[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum);
}

inline Bytes transport(const PacketSpec& spec) {
    Bytes bytes;
    if (spec.protocol == IPPROTO_TCP) {
        put16(bytes, spec.source_port);
        put16(bytes, spec.destination_port);
        put32(bytes, spec.token);
        put32(bytes, spec.acknowledgement);
        put8(bytes, (spec.stamp && spec.doff == 5 ? 10u : spec.doff) << 4u);
        put8(bytes, spec.flags);
        put16(bytes, 64240);
        put32(bytes, 0);
        if (spec.stamp) {
            append(bytes, {2, 4, 5, 180, 4, 2, 8, 10});
            put32(bytes, *spec.stamp);
            append(bytes, {0, 0, 0, 0, 1, 3, 3, 7});
        }
    } else if (spec.protocol == IPPROTO_UDP) {
        Bytes payload;
        put32(payload, spec.magic);
        put32(payload, spec.token);
        put32(payload, 0);
        put32(payload, 0);
        payload.resize(spec.payload);
        put16(bytes, spec.source_port);
        put16(bytes, spec.destination_port);
        put16(bytes, spec.udp_length.value_or(static_cast<std::uint16_t>(8 + payload.size())));
        put16(bytes, 0);
        append(bytes, payload);
    } else if (spec.protocol == IPPROTO_ICMP || spec.protocol == IPPROTO_ICMPV6) {
        bytes = {spec.icmp_type, spec.icmp_code, 0, 0, 0, 0, 0, 0};
        append(bytes, spec.quote);
    } else {
        bytes.resize(20);
    }
    return bytes;
}

inline Bytes extension(const IPv6Extension& spec, std::uint8_t next) {
    Bytes bytes;
    put8(bytes, next);
    if (spec.kind == IPPROTO_FRAGMENT) {
        put8(bytes, 0);
        put16(bytes, spec.fragment);
        put32(bytes, 1);
    } else if (spec.kind == IPPROTO_AH) {  // RFC 4302: in units of 4 bytes, less 2
        put8(bytes, spec.length.value_or(static_cast<std::uint8_t>(4 + spec.units)));
        bytes.resize((4 + spec.units + 2) * 4U);
    } else {
        put8(bytes, spec.length.value_or(spec.units));
        bytes.resize((spec.units + 1U) * 8);
    }
    return bytes;
}

inline Bytes ipv4(const PacketSpec& spec, const Bytes& content, std::uint32_t& length) {
    Bytes bytes;
    const std::size_t header = spec.ihl < 4 ? 20 : spec.ihl * 4U;
    length = spec.length.value_or(static_cast<std::uint16_t>(header + content.size()));
    put8(bytes, spec.version.value_or(4) << 4U | spec.ihl);
    put8(bytes, spec.dscp << 2U);
    put16(bytes, length);
    put16(bytes, 1);
    put16(bytes, spec.fragment);
    put8(bytes, spec.ttl);
    put8(bytes, spec.protocol);
    put16(bytes, 0);
    bytes.insert(bytes.end(), spec.source.begin(), spec.source.begin() + 4);
    bytes.insert(bytes.end(), spec.destination.begin(), spec.destination.begin() + 4);
    bytes.resize(header, 1);  // options: "no operation"
    const std::uint16_t sum = checksum(bytes);
    bytes[10] = static_cast<std::uint8_t>(sum >> 8U);
    bytes[11] = static_cast<std::uint8_t>(sum);
    append(bytes, content);
    return bytes;
}

inline Bytes ipv6(const PacketSpec& spec, const Bytes& content, std::uint32_t& length) {
    Bytes chain;
    for (std::size_t i = 0; i < spec.extensions.size(); i++)
        append(chain, extension(spec.extensions[i], i + 1 < spec.extensions.size()
                                                        ? spec.extensions[i + 1].kind
                                                        : spec.protocol));
    append(chain, content);
    const std::uint16_t payload = spec.length.value_or(static_cast<std::uint16_t>(chain.size()));
    length = 40U + payload;
    Bytes bytes;
    put16(bytes, spec.version.value_or(6) << 12U | spec.dscp << 6U);
    put16(bytes, 0);
    put16(bytes, payload);
    put8(bytes, spec.extensions.empty() ? spec.protocol : spec.extensions.front().kind);
    put8(bytes, spec.ttl);
    bytes.insert(bytes.end(), spec.source.begin(), spec.source.end());
    bytes.insert(bytes.end(), spec.destination.begin(), spec.destination.end());
    append(bytes, chain);
    return bytes;
}
}  // namespace detail

/// An Ethernet frame. TCP's and UDP's checksums are 0: neither taps nor routers look at them.
inline Packet build(const PacketSpec& spec) {
    Packet packet;
    const Bytes content = detail::transport(spec);
    const Bytes ip = spec.family == 4 ? detail::ipv4(spec, content, packet.ip_length)
                                      : detail::ipv6(spec, content, packet.ip_length);
    packet.frame.assign(spec.destination_mac.begin(), spec.destination_mac.end());
    packet.frame.insert(packet.frame.end(), {2, 0, 0, 0, 0, 1});
    for (const std::uint16_t tag : spec.tags) {
        detail::put16(packet.frame, tag);
        detail::put16(packet.frame, 100);
    }
    detail::put16(packet.frame, spec.ether_type.value_or(spec.family == 4 ? 0x0800 : 0x86dd));
    detail::append(packet.frame, ip);
    packet.frame.resize(packet.frame.size() + spec.padding);
    return packet;
}

inline std::array<std::uint8_t, 16> address(const char* text) {
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(AF_INET, text, bytes.data()) != 1) inet_pton(AF_INET6, text, bytes.data());
    return bytes;
}

}  // namespace ksms::test
