// SPDX-License-Identifier: BSD-2-Clause
#include "probe/probe_packet.hpp"

#include <netinet/in.h>

#include <algorithm>

#include "base/dscp.hpp"
#include "ksms/abi.h"
#include "ksms/token.h"

namespace ksms {
namespace {

void put16(std::uint8_t* at, std::uint32_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

void put32(std::uint8_t* at, std::uint32_t value) {
    put16(at, value >> 16);
    put16(at + 2, value);
}

/// RFC 1071: the sum of 16-bit words, not yet folded.
std::uint32_t sum(std::span<const std::uint8_t> bytes, std::uint32_t start) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        start += static_cast<std::uint32_t>(bytes[i]) << 8 | bytes[i + 1];
    return start;  // every length here is even
}

std::uint16_t fold(std::uint32_t total) {
    while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint16_t>(~total);
}

std::uint32_t transport_sum(const ProbeHeader& header, std::uint8_t protocol,
                            std::span<const std::uint8_t> segment) {
    std::uint32_t total = protocol + static_cast<std::uint32_t>(segment.size());
    total = sum({header.source.bytes.data(), header.source.size()}, total);
    total = sum({header.destination.bytes.data(), header.destination.size()}, total);
    return sum(segment, total);
}

std::size_t build_tcp(const ProbeHeader& header, std::uint16_t port, std::uint32_t token,
                      std::uint32_t timestamp, std::uint8_t* at) {
    // MSS 1460, SACK permitted, timestamps (echo 0), NOP, window scale 7
    static constexpr std::uint8_t options[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
                                                 0, 0, 0,    0,    0, 0, 1, 3,  3, 7};
    constexpr std::size_t size = 20 + sizeof options;
    static_assert(size == KSMS_SYN_SIZE);
    std::fill_n(at, size, std::uint8_t{0});
    put16(at, header.source_port);
    put16(at + 2, port);
    put32(at + 4, token);
    at[12] = size / 4 << 4;
    at[13] = 0x02;  // SYN
    put16(at + 14, 64240);
    std::copy(std::begin(options), std::end(options), at + 20);
    put32(at + KSMS_SYN_STAMP, timestamp);
    return size;
}

std::size_t build_udp(const ProbeHeader& header, std::uint16_t port, std::uint32_t token,
                      std::uint8_t* at) {
    constexpr std::size_t size = 8 + KSMS_PAYLOAD_SIZE;
    std::fill_n(at, size, std::uint8_t{0});
    put16(at, header.source_port);
    put16(at + 2, port);
    put16(at + 4, size);
    put32(at + 8, KSMS_PAYLOAD_MAGIC);
    put32(at + 12, token);
    put32(at + 16, header.generation);
    return size;
}

void build_ipv4(const ProbeHeader& header, std::uint8_t protocol, std::uint8_t ttl,
                std::size_t payload, std::uint8_t* at) {
    std::fill_n(at, 20, std::uint8_t{0});
    at[0] = 0x45;
    at[1] = Dscp(header.carried).tos();
    put16(at + 2, static_cast<std::uint32_t>(20 + payload));
    put16(at + 6, 0x4000);  // do not fragment
    at[8] = ttl;
    at[9] = protocol;
    std::copy_n(header.source.bytes.begin(), 4, at + 12);
    std::copy_n(header.destination.bytes.begin(), 4, at + 16);
    put16(at + 10, fold(sum({at, 20}, 0)));
}

void build_ipv6(const ProbeHeader& header, std::uint8_t protocol, std::uint8_t ttl,
                std::size_t payload, std::uint8_t* at) {
    std::fill_n(at, 40, std::uint8_t{0});
    // Linux gives every connection a label (net.ipv6.auto_flowlabels), and 0 would stand out.
    const auto label = 0x80000u | header.source_port;
    put32(at, 6u << 28 | std::uint32_t{Dscp(header.carried).tos()} << 20 | label);
    put16(at + 4, static_cast<std::uint32_t>(payload));
    at[6] = protocol;
    at[7] = ttl;
    std::copy_n(header.source.bytes.begin(), 16, at + 8);
    std::copy_n(header.destination.bytes.begin(), 16, at + 24);
}

struct Sizes {
    std::size_t whole, network;
};

/// Everything but the transport checksum.
Sizes build(const ProbeHeader& header, std::uint8_t protocol, std::uint8_t ttl, std::uint16_t port,
            std::uint32_t token, std::uint32_t timestamp,
            std::span<std::uint8_t, kMaxProbeSize> packet) {
    const bool four = header.source.family == AF_INET;
    const std::size_t network = four ? 20 : 40;
    auto* transport = packet.data() + network;
    const auto size = protocol == IPPROTO_TCP ? build_tcp(header, port, token, timestamp, transport)
                                              : build_udp(header, port, token, transport);
    if (four)
        build_ipv4(header, protocol, ttl, size, packet.data());
    else
        build_ipv6(header, protocol, ttl, size, packet.data());
    return {network + size, network};
}

}  // namespace

std::uint32_t probe_token(const ProbeHeader& header, std::uint32_t probe) {
    return ksms_token_seal(ksms_token_pack(header.dscp, probe, header.generation),
                           header.token_key.data());
}

std::size_t build_probe(const ProbeHeader& header, const Service& service, std::uint32_t probe,
                        std::span<std::uint8_t, kMaxProbeSize> packet) {
    constexpr std::uint8_t first_ttl = 64;
    const auto token = probe_token(header, probe);
    const bool tcp = service.protocol == IPPROTO_TCP;
    // A timestamp of 0 is "none" to some.
    const auto [size, network] =
        build(header, service.protocol, first_ttl, service.port, token, token | 1, packet);
    auto* transport = packet.data() + network;
    const auto checksum =
        fold(transport_sum(header, service.protocol, packet.subspan(network, size - network)));
    if (tcp)
        put16(transport + 16, checksum);
    else
        put16(transport + 6, checksum == 0 ? 0xffff : checksum);  // RFC 768: 0 says there is none
    return size;
}

ProbeTemplate build_template(const ProbeHeader& header, std::uint8_t protocol, std::uint8_t ttl) {
    ProbeTemplate result;
    const auto [size, network] = build(header, protocol, ttl, 0, 0, 0, result.bytes);
    result.size = size;
    result.sum =
        transport_sum(header, protocol, std::span(result.bytes).subspan(network, size - network));
    return result;
}

}  // namespace ksms
