// SPDX-License-Identifier: BSD-2-Clause
// The pins of the registry, which allocate, renew and release need. Their file modes allow root and
// the group `ksms` to run the program and read the maps.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/map.hpp"
#include "bpf/pin_root.hpp"
#include "ksms/abi.h"

namespace ksms {

/// A flag that one thread can take.
class OnceTrue {
public:
    OnceTrue() = default;
    OnceTrue(OnceTrue&& other) noexcept : value_(other.value_.load()) {}
    OnceTrue& operator=(OnceTrue&& other) noexcept {
        value_ = other.value_.load();
        return *this;
    }
    void set(bool value) { value_ = value; }
    bool take() { return value_.load(std::memory_order_relaxed) && value_.exchange(false); }

private:
    std::atomic<bool> value_{false};
};

struct RegistryPins {
    Map<std::uint32_t, ksms_lease> leases;
    Map<std::uint32_t, ksms_waiter> waiters;
    Map<std::uint32_t, ksms_registry> figures;
    Map<std::uint32_t, ksms_lease_limits> limits;  ///< written by root only
    Map<std::uint32_t, ksms_owners> owners;        ///< root only
    Fd answers;                                    ///< polled edge-triggered by waiting callers
    Fd program;                                    ///< ksms_lease
    /// The exit hook was missing: owners may have ended unnoticed. Cleared by whoever checks that.
    mutable OnceTrue unwatched;

    /// As root, installs what is missing, restores the exit hook and opens the pins to the group.
    /// @return Code::not_allowed if the caller is neither root nor in the group; else as
    /// Objects::open()
    static Result<RegistryPins> open(const PinRoot& root, Missing missing = Missing::install);
    /// Opens the pins without checking the installation.
    static Result<RegistryPins> open_installed(const PinRoot& root, bool read_only);
};

}  // namespace ksms
