// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ksms {

std::size_t Address::size() const {
    if (family == AF_INET) return 4;
    return family == AF_INET6 ? 16 : 0;
}

std::string Address::text() const {
    char buffer[INET6_ADDRSTRLEN] = "";
    if (family != 0) inet_ntop(family, bytes.data(), buffer, sizeof buffer);
    return buffer;
}

bool Address::is_link_local() const {
    if (family == AF_INET) return bytes[0] == 169 && bytes[1] == 254;
    return family == AF_INET6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

Result<Address> Address::parse(std::string_view text) {
    const std::string owned(text);
    const bool whole = owned.find('\0') == std::string::npos;  // inet_pton() stops at a NUL
    Address address;
    for (const int family : {AF_INET, AF_INET6}) {
        if (whole && inet_pton(family, owned.c_str(), address.bytes.data()) == 1) {
            address.family = family;
            return address;
        }
    }
    return fail(Code::usage, fmt::format("'{}' is no IP address", text),
                "give an IPv4 (10.1.1.100) or IPv6 (fd00::1) address; names are not looked up");
}

Address Address::from_bytes(int family, const void* data) {
    Address address;
    address.family = family;
    std::memcpy(address.bytes.data(), data, address.size());
    return address;
}

bool Prefix::contains(const Address& other) const {
    if (other.family != address.family) return false;
    const std::size_t whole = std::min<std::size_t>(length / 8, address.size());
    if (!std::equal(address.bytes.begin(), address.bytes.begin() + static_cast<long>(whole),
                    other.bytes.begin()))
        return false;
    const unsigned rest = length % 8;
    if (rest == 0 || whole >= address.size()) return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    return (address.bytes[whole] & mask) == (other.bytes[whole] & mask);
}

std::string Prefix::text() const {
    return fmt::format("{}/{}", address.text(), length);
}

}  // namespace ksms
