// SPDX-License-Identifier: BSD-2-Clause
#include "reference_parser.hpp"

#include <algorithm>
#include <optional>

namespace ksms::test {
namespace {

using Octets = std::span<const std::uint8_t>;

enum EtherType : unsigned { ip4 = 0x0800, ip6 = 0x86dd, c_tag = 0x8100, s_tag = 0x88a8 };
// IANA, "Assigned Internet Protocol Numbers"
enum Protocol : unsigned {
    hop_by_hop = 0,
    tcp = 6,
    udp = 17,
    routing = 43,
    fragment_header = 44,
    authentication = 51,
    destination_options = 60,
};
constexpr unsigned most_tags = 2, most_extensions = 8;  // what ksms promises to look through

unsigned u16(Octets at) {
    return at[0] * 256U + at[1];
}
std::uint32_t u32(Octets at) {
    return u16(at) * 65536U + u16(at.subspan(2));
}
Octets behind(Octets octets, std::size_t count) {
    return octets.subspan(std::min(count, octets.size()));
}

/// IEEE 802.1Q and 802.1ad: EtherType of what comes behind the tags. @return nullopt: it ends there
std::optional<unsigned> skip_tags(Octets& octets, unsigned type, FrameOf from, bool& tagged) {
    for (unsigned count = 0; type == c_tag || type == s_tag; count++) {
        if (count == most_tags || octets.size() < 4) return std::nullopt;
        tagged = true;
        const unsigned next = u16(octets.subspan(2));
        const bool known = next == ip4 || next == ip6 || next == c_tag || next == s_tag;
        // Linux before 6.13 leaves the network header behind a tag that it pushed: what looks like
        // a tag is the beginning of IP then.
        if (!known && from == FrameOf::skb) {
            const unsigned version = octets[0] / 16;
            if (version == 4) return ip4;
            if (version == 6) return ip6;
        }
        octets = behind(octets, 4);
        type = next;
    }
    return type;
}

/// RFC 9293, section 3.1. @param segment  what is there of it, at most to the end of IP
Kind parse_tcp(Octets segment, Parsed& result) {
    if (segment.size() < 20 || segment[12] / 16 < 5) return Kind::unparsable;
    result.source_port = static_cast<std::uint16_t>(u16(segment));
    result.destination_port = static_cast<std::uint16_t>(u16(segment.subspan(2)));
    result.sequence = u32(segment.subspan(4));
    result.tcp_flags = segment[13];
    result.repeats_sequence = segment[12] / 16 == 10 && segment.size() >= 32 &&
                              u32(segment.subspan(28)) == (result.sequence | 1);
    return Kind::transport;
}

/// RFC 768.
Kind parse_udp(Octets datagram, Parsed& result) {
    if (datagram.size() < 8 || u16(datagram.subspan(4)) < 8) return Kind::unparsable;
    result.source_port = static_cast<std::uint16_t>(u16(datagram));
    result.destination_port = static_cast<std::uint16_t>(u16(datagram.subspan(2)));
    const std::size_t length = u16(datagram.subspan(4));
    result.payload = datagram.first(std::min(length, datagram.size())).subspan(8);
    return Kind::transport;
}

Kind parse_upper(Octets upper, Parsed& result) {
    if (result.protocol == tcp) return parse_tcp(upper, result);
    if (result.protocol == udp) return parse_udp(upper, result);
    return Kind::other;
}

/// RFC 791, section 3.1. Of a later fragment no more is needed than what says that it is one.
Kind parse_ip4(Octets packet, Parsed& result) {
    if (packet.size() < 20) return Kind::unparsable;
    const unsigned version = packet[0] / 16, header = packet[0] % 16 * 4,
                   total = u16(packet.subspan(2));
    if (version != 4 || header < 20 || total < header) return Kind::unparsable;
    result.family = 4;
    result.dscp = packet[1] / 4;  // RFC 2474
    result.hop_limit = packet[8];
    result.protocol = packet[9];
    result.length = total;
    result.complete = packet.size() >= total;
    std::ranges::copy(packet.subspan(12, 4), result.source.begin());
    std::ranges::copy(packet.subspan(16, 4), result.destination.begin());
    const unsigned flags = packet[6] / 32, offset = u16(packet.subspan(6)) % 8192;
    if (offset != 0) return Kind::fragment;
    result.first_fragment = (flags & 1) != 0;
    return parse_upper(behind(packet.first(std::min<std::size_t>(total, packet.size())), header),
                       result);
}

/// RFC 8200, section 4; RFC 4302, section 2.2. @param chain  to the end of IP, as far as it is
/// there
/// @param promised  octets that IP says are left
Kind parse_chain(Octets chain, std::size_t promised, Parsed& result) {
    for (unsigned count = 0;; count++) {
        const unsigned kind = result.protocol;
        if (kind != hop_by_hop && kind != routing && kind != fragment_header &&
            kind != authentication && kind != destination_options)
            return parse_upper(chain, result);
        if (count == most_extensions || promised < 8 || chain.size() < 4) return Kind::unparsable;
        result.protocol = chain[0];
        std::size_t size = 8;
        if (kind == fragment_header) {
            const unsigned field = u16(chain.subspan(2));
            if (field / 8 != 0) return Kind::fragment;
            result.first_fragment |= field % 2 != 0;
        } else {
            size = kind == authentication ? (chain[1] + 2U) * 4 : (chain[1] + 1U) * 8;
        }
        promised -= std::min(promised, size);
        chain = behind(chain, size);
    }
}

/// RFC 8200, section 3. A payload length of 0 is a jumbogram (RFC 2675), which ksms never sends.
Kind parse_ip6(Octets packet, Parsed& result) {
    if (packet.size() < 40 || packet[0] / 16 != 6) return Kind::unparsable;
    const unsigned traffic_class = packet[0] % 16 * 16U + packet[1] / 16U;
    const std::size_t payload = u16(packet.subspan(4));
    result.family = 6;
    result.dscp = static_cast<std::uint8_t>(traffic_class / 4);
    result.protocol = packet[6];
    result.hop_limit = packet[7];
    result.length = static_cast<std::uint32_t>(40 + payload);
    result.complete = packet.size() >= result.length;
    std::ranges::copy(packet.subspan(8, 16), result.source.begin());
    std::ranges::copy(packet.subspan(24, 16), result.destination.begin());
    const auto rest = packet.subspan(40);
    return parse_chain(rest.first(std::min(payload, rest.size())), payload, result);
}

}  // namespace

Parsed parse_by_rfc(std::span<const std::uint8_t> frame, FrameOf from) {
    Parsed result;
    if (frame.size() < 14) return result;
    Octets octets = frame.subspan(14);
    const auto type = skip_tags(octets, u16(frame.subspan(12)), from, result.tagged);
    if (type == ip4) result.kind = parse_ip4(octets, result);
    if (type == ip6) result.kind = parse_ip6(octets, result);
    return result;
}

}  // namespace ksms::test
