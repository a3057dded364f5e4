// SPDX-License-Identifier: BSD-2-Clause
// What stands in the registers of a rule of nftables (net/netfilter/nf_tables_core.c), byte by
// byte, as far as it concerns the destination port. For the files of this room.
#pragma once

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ksms {

/// A byte of a register.
enum class Holds : std::uint8_t {
    unknown,    ///< this rule did not write it
    other,      ///< neither the port nor made of it
    port_high,  ///< of the destination port
    port_low,
    nfproto,
    ether_high,  ///< of the EtherType
    ether_low,
    l4proto,
};

/// NFT_REG_1 is the same as NFT_REG32_00 to NFT_REG32_03.
class Registers {
public:
    Registers() { bytes_.fill(Holds::unknown); }

    /// @return empty where there is no such register
    [[nodiscard]] std::span<Holds> at(std::uint32_t reg, std::size_t length) {
        std::size_t first = 0;
        if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
            first = std::size_t{reg - NFT_REG_1} * NFT_REG_SIZE;
        else if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
            first = std::size_t{reg - NFT_REG32_00} * NFT_REG32_SIZE;
        else
            return {};
        if (length == 0 || first + length > bytes_.size()) return {};
        return std::span(bytes_).subspan(first, length);
    }
    /// The kernel writes whole words.
    std::span<Holds> write(std::uint32_t reg, std::size_t length) {
        const auto words = (length + NFT_REG32_SIZE - 1) / NFT_REG32_SIZE;
        const auto written = at(reg, words * NFT_REG32_SIZE);
        std::ranges::fill(written, Holds::other);
        return written;
    }
    [[nodiscard]] bool hold_port() const { return any_port(bytes_); }
    [[nodiscard]] static bool any_port(std::span<const Holds> bytes) {
        return std::ranges::any_of(
            bytes, [](Holds each) { return each == Holds::port_high || each == Holds::port_low; });
    }

private:
    std::array<Holds, std::size_t{NFT_REG32_COUNT} * NFT_REG32_SIZE> bytes_{};
};

}  // namespace ksms
