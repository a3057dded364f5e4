// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>

#include "ksms/abi.h"

namespace ksms {

/// Which of the leases that a DSCP had, one after the other.
class Generation {
public:
    constexpr explicit Generation(std::uint64_t value) : value_(value) {}
    /// Of ksms_lease::state, which carries it beside what the lease is at.
    static constexpr Generation of_state(std::uint64_t state) { return Generation(state >> 8); }

    [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
    /// As scans, taps and the journal have it; a token has eight bits of that.
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
