// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <compare>
#include <cstdint>

namespace ksms {

/// A transport protocol and a destination port.
struct Service {
    std::uint8_t protocol{0};  ///< IPPROTO_TCP or IPPROTO_UDP
    std::uint16_t port{0};     ///< host byte order
    auto operator<=>(const Service&) const = default;
};

/// "tcp" or "udp".
[[nodiscard]] const char* protocol_name(std::uint8_t protocol);

}  // namespace ksms
