// SPDX-License-Identifier: BSD-2-Clause
// What a router or host sent back to the source of a probe.
#pragma once

#include <cstdint>

namespace ksms {

struct Reply {
    enum class Kind : std::uint8_t { none, tcp_reset, tcp_syn_ack, icmp, icmp6 };
    Kind kind{Kind::none};
    std::uint8_t type{0}, code{0};  ///< of ICMP (RFC 792) and ICMPv6 (RFC 4443)
    bool operator==(const Reply&) const = default;
    [[nodiscard]] explicit operator bool() const { return kind != Kind::none; }
    [[nodiscard]] bool syn_ack() const { return kind == Kind::tcp_syn_ack; }
    /// What a firewall sends that rejects, and no routing decision.
    [[nodiscard]] bool rejects() const {
        return kind == Kind::tcp_reset || (kind == Kind::icmp && type == 3 && code == 3) ||
               (kind == Kind::icmp6 && type == 1 && code == 4);
    }
};

/// @param answer  enum ksms_answer
/// @param family  AF_INET or AF_INET6
[[nodiscard]] Reply reply_of(std::uint8_t answer, int family, std::uint8_t icmp_type,
                             std::uint8_t icmp_code);

}  // namespace ksms
