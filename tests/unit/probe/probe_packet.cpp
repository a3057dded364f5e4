// SPDX-License-Identifier: BSD-2-Clause
#include "probe/probe_packet.hpp"

#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "ksms/abi.h"
#include "ksms/token.h"

using namespace ksms;

namespace {

std::uint32_t word(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}

std::uint32_t folded_sum(std::span<const std::uint8_t> bytes, std::uint32_t start) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) start += word(bytes, i);
    while (start >> 16 != 0) start = (start & 0xffff) + (start >> 16);
    return start;
}

ProbeHeader header(const char* source, const char* destination) {
    return {*Address::parse(source),
            *Address::parse(destination),
            40001,
            37,
            37,
            0x12345,
            {1, 2, 3, 4}};
}

}  // namespace

TEST_CASE(
    "probe: marked, with right checksums and a token that opens, for both families and protocols") {
    for (const bool v6 : {false, true}) {
        for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
            const auto common = v6 ? header("fd00::1", "fd00::2") : header("10.0.0.1", "10.0.0.2");
            std::array<std::uint8_t, kMaxProbeSize> packet{};
            const auto size = build_probe(common, {protocol, 8443}, 77, packet);
            const std::size_t network = v6 ? 40 : 20;
            const std::span<const std::uint8_t> segment{packet.data() + network, size - network};
            INFO("v6 " << v6 << " protocol " << int(protocol));
            if (v6) {
                CHECK((word(packet, 0) >> 6 & 0x3f) == 37);
                CHECK(word(packet, 4) == segment.size());
            } else {
                CHECK(packet[1] == 37 << 2);
                CHECK(word(packet, 2) == size);
                CHECK(folded_sum({packet.data(), 20}, 0) == 0xffff);
            }
            auto pseudo = static_cast<std::uint32_t>(protocol + segment.size());
            pseudo = folded_sum({common.source.bytes.data(), common.source.size()}, pseudo);
            pseudo =
                folded_sum({common.destination.bytes.data(), common.destination.size()}, pseudo);
            CHECK(folded_sum(segment, pseudo) == 0xffff);
            CHECK(word(segment, 0) == 40001);
            CHECK(word(segment, 2) == 8443);
            const std::size_t at = protocol == IPPROTO_TCP ? 4 : 12;
            const auto token = ksms_token_open(word(segment, at) << 16 | word(segment, at + 2),
                                               common.token_key.data());
            CHECK(ksms_token_dscp(token) == 37);
            CHECK(ksms_token_probe(token) == 77);
            CHECK(ksms_token_check(token) == 0x45);
            if (protocol == IPPROTO_TCP) {
                CHECK(segment[13] == 0x02);
                CHECK(segment.size() == std::size_t{segment[12]} / 16 * 4);
            } else {
                CHECK(word(segment, 4) == segment.size());
                CHECK((word(segment, 8) << 16 | word(segment, 10)) == KSMS_PAYLOAD_MAGIC);
            }
        }
    }
}

TEST_CASE("token: sealing is a bijection that depends on the whole key") {
    const std::uint32_t key[4] = {7, 8, 9, 10}, other[4] = {7, 8, 9, 11};
    int same = 0;
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        const auto token = i * 2654435761u;
        REQUIRE(ksms_token_open(ksms_token_seal(token, key), key) == token);
        same += ksms_token_seal(token, key) == ksms_token_seal(token, other);
    }
    CHECK(same < 10);
}
