// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ksms {

/// An IPv4 or IPv6 address; bytes in network order, IPv4 in the first four.
struct Address {
    std::array<std::uint8_t, 16> bytes{};
    int family{0};  ///< AF_INET, AF_INET6; 0 is none

    auto operator<=>(const Address&) const = default;
    explicit operator bool() const { return family != 0; }
    [[nodiscard]] std::size_t size() const;  ///< 4, 16 or 0
    [[nodiscard]] std::string text() const;  ///< RFC 5952 for IPv6; "" for none
    [[nodiscard]] bool is_link_local() const;

    /// @return the address, or Code::usage naming the text
    static Result<Address> parse(std::string_view text);
    /// @param data  size() bytes of the family, network order
    static Address from_bytes(int family, const void* data);
};

struct Prefix {
    Address address;
    std::uint8_t length{0};
    auto operator<=>(const Prefix&) const = default;
    [[nodiscard]] bool contains(const Address& other) const;
    [[nodiscard]] std::string text() const;
};

using Mac = std::array<std::uint8_t, 6>;

}  // namespace ksms
