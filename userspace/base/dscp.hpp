// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>

namespace ksms {

/// A differentiated services code point, 0 to 63 (RFC 2474).
class Dscp {
public:
    constexpr explicit Dscp(std::uint8_t value) : value_(value) {}
    /// From the whole byte.
    static constexpr Dscp of_tos(std::uint8_t tos) {
        return Dscp(static_cast<std::uint8_t>(tos >> 2));
    }

    [[nodiscard]] constexpr std::uint8_t value() const { return value_; }
    /// The whole byte, ECN zero: tos of IPv4, traffic class of IPv6.
    [[nodiscard]] constexpr std::uint8_t tos() const {
        return static_cast<std::uint8_t>(value_ << 2);
    }
    auto operator<=>(const Dscp&) const = default;

private:
    std::uint8_t value_;
};

}  // namespace ksms
