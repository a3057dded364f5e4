// SPDX-License-Identifier: BSD-2-Clause
#include "fuzz_packet.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>

namespace ksms::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

constexpr std::uint32_t kMark = 0xf0220000;  // no other packet of the tests begins so

void put16(Bytes& to, std::uint32_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8U));
    to.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& to, std::uint32_t value) {
    put16(to, value >> 16U);
    put16(to, value);
}
std::uint32_t get16(View from, std::size_t at) {
    return from[at] * 256U + from[at + 1];
}
std::uint32_t get32(View from, std::size_t at) {
    return get16(from, at) << 16U | get16(from, at + 2);
}

Bytes address(int family, const std::string& text) {
    Bytes bytes(family == 4 ? 4 : 16);
    ::inet_pton(family == 4 ? AF_INET : AF_INET6, text.c_str(), bytes.data());
    return bytes;
}
std::string text(int family, View bytes) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return ::inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes.data(), buffer.data(),
                       buffer.size());
}

/// RFC 1071.
std::uint32_t checksum(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) sum += get16(bytes, i);
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    return ~sum & 0xffffU;
}
void set16(Bytes& in, std::size_t at, std::uint32_t value) {
    in[at] = static_cast<std::uint8_t>(value >> 8U);
    in[at + 1] = static_cast<std::uint8_t>(value);
}

Bytes transport_of(const PlainPacket& packet) {
    Bytes bytes;
    put16(bytes, static_cast<std::uint32_t>(packet.source_port));
    put16(bytes, static_cast<std::uint32_t>(packet.port));
    if (packet.protocol == "udp") {
        put16(bytes, 12);
        put16(bytes, 0);
        put32(bytes, kMark | packet.number);
        return bytes;
    }
    put32(bytes, kMark | packet.number);
    put32(bytes, 0);
    put16(bytes, 0x6002);  // SYN, six words
    put16(bytes, 64240);
    put32(bytes, 0);
    put32(bytes, 0x020405b4);  // MSS 1460
    return bytes;
}

}  // namespace

std::vector<std::uint8_t> bytes_of(const PlainPacket& packet) {
    const auto from = address(packet.family, packet.source);
    const auto to = address(packet.family, packet.destination);
    const int protocol = packet.protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    Bytes transport = transport_of(packet);
    Bytes sum(from);
    sum.insert(sum.end(), to.begin(), to.end());
    put32(sum, static_cast<std::uint32_t>(transport.size()));
    put32(sum, static_cast<std::uint32_t>(protocol));
    sum.insert(sum.end(), transport.begin(), transport.end());
    const std::uint32_t value = checksum(sum);
    set16(transport, protocol == IPPROTO_TCP ? 16 : 6, value == 0 ? 0xffff : value);

    Bytes ip;
    const auto tos = static_cast<std::uint32_t>(packet.dscp) << 2U;
    if (packet.family == 4) {
        put16(ip, 0x4500 | tos);
        put16(ip, static_cast<std::uint32_t>(20 + transport.size()));
        put32(ip, 0x00014000);
        put32(ip, 0x40000000 | static_cast<std::uint32_t>(protocol) << 16U);
    } else {
        put32(ip, 0x60000000 | tos << 20U);
        put16(ip, static_cast<std::uint32_t>(transport.size()));
        put16(ip, static_cast<std::uint32_t>(protocol) << 8U | 64U);
    }
    ip.insert(ip.end(), from.begin(), from.end());
    ip.insert(ip.end(), to.begin(), to.end());
    if (packet.family == 4) set16(ip, 10, checksum(ip));
    ip.insert(ip.end(), transport.begin(), transport.end());
    return ip;
}

std::optional<std::uint32_t> read_number(int protocol, std::span<const std::uint8_t> transport) {
    const std::size_t at = protocol == IPPROTO_TCP ? 4 : 8;
    if (transport.size() < (protocol == IPPROTO_TCP ? 20U : 12U)) return std::nullopt;
    if (protocol == IPPROTO_TCP && (transport[13] & 0x12) != 2) return std::nullopt;
    const std::uint32_t word = get32(transport, at);
    return (word & 0xffff0000) == kMark ? std::optional(word & 0xffff) : std::nullopt;
}

std::optional<PlainPacket> read_packet(std::span<const std::uint8_t> ip) {
    if (ip.size() < 28) return std::nullopt;
    const int family = ip[0] >> 4;
    const std::size_t header = family == 4 ? 20 : 40;
    if ((family != 4 && family != 6) || ip.size() < header + 8) return std::nullopt;
    const int protocol = family == 4 ? ip[9] : ip[6];
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return std::nullopt;
    const auto transport = ip.subspan(header);
    constexpr std::size_t outer = 8 + 8 + 14;  // UDP, VXLAN (RFC 7348), Ethernet
    if (protocol == IPPROTO_UDP && get16(transport, 2) == kVxlanPort && transport.size() > outer)
        return read_packet(transport.subspan(outer));
    const auto number = read_number(protocol, transport);
    if (!number) return std::nullopt;
    const std::size_t width = family == 4 ? 4 : 16;
    const std::uint32_t tos = family == 4 ? ip[1] : get32(ip, 0) >> 20U & 0xffU;
    return PlainPacket{.family = family,
                       .protocol = protocol == IPPROTO_TCP ? "tcp" : "udp",
                       .source = text(family, ip.subspan(header - 2 * width, width)),
                       .destination = text(family, ip.subspan(header - width, width)),
                       .source_port = static_cast<int>(get16(transport, 0)),
                       .port = static_cast<int>(get16(transport, 2)),
                       .dscp = static_cast<int>(tos >> 2U),
                       .number = *number};
}

}  // namespace ksms::fuzz
