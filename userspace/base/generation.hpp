// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>

#include "ksms/abi.h"

namespace ksms {

/// The number of a lease among all successive leases of its DSCP.
class Generation {
public:
    constexpr explicit Generation(std::uint64_t value) : value_(value) {}
    /// From ksms_lease::state, which has generation and state.
    static constexpr Generation of_state(std::uint64_t state) { return Generation(state >> 8); }

    [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
    /// As in scans, taps and the journal. A token has eight bits of it.
    [[nodiscard]] constexpr std::uint32_t low() const { return static_cast<std::uint32_t>(value_); }
    [[nodiscard]] constexpr std::uint64_t state(ksms_lease_state what) const {
        return value_ << 8 | what;
    }
    [[nodiscard]] constexpr Generation next() const { return Generation(value_ + 1); }
    auto operator<=>(const Generation&) const = default;

private:
    std::uint64_t value_;
};

}  // namespace ksms
