// SPDX-License-Identifier: BSD-2-Clause
// The registry's own pins: all that allocating, renewing and releasing needs. Their file modes are
// the permission: root, and the members of the group `ksms`, who may run the program and read the
// maps.
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

/// The group whose members use the registry without being root.
constexpr const char* kGroup = "ksms";

/// @return Code::not_found where this machine has no such group
Result<gid_t> registry_group();

/// True until it is taken, by one thread.
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
    Fd answers;                                    ///< polled, edge-triggered, by who waits
    Fd program;                                    ///< ksms_lease
    /// The exit hook was missing until now: owners may have ended unseen. Cleared by who looks.
    mutable OnceTrue unwatched;

    /// Root installs what is missing, puts the exit hook back, and opens the pins to the group if
    /// it was made since.
    /// @return Code::not_allowed for who is neither root nor in the group; else as Objects::open()
    static Result<RegistryPins> open(const PinRoot& root, Missing missing = Missing::install);
    /// The pins as they are, for who has made sure of them.
    static Result<RegistryPins> open_installed(const PinRoot& root, bool read_only);
};

}  // namespace ksms
