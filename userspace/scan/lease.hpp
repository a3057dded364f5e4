// SPDX-License-Identifier: BSD-2-Clause
// The DSCP that a scan runs under.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "guard/guard.hpp"
#include "registry/registry.hpp"
#include "route/request.hpp"
#include "scan/scan.hpp"

namespace ksms {

/// A lease that this process occupies, and everything that is done under it. With this object all
/// of that is undone and the lease is given back; one that the user held before stays his.
class ScanLease {
public:
    /// The lease that the request names, if its user holds it; else a new one.
    /// @param avoid  bit n: rather not DSCP n
    /// @param wait  for a free one
    static Result<ScanLease> take(const Registry& registry, Guard& guard,
                                  const ScanRequest& request, const ScanHooks& hooks,
                                  std::uint64_t avoid, nanoseconds wait);
    ScanLease(ScanLease&& other) noexcept;
    ScanLease& operator=(ScanLease&&) = delete;
    ~ScanLease();

    [[nodiscard]] const Lease& lease() const { return lease_; }
    [[nodiscard]] std::uint8_t dscp() const { return lease_.dscp; }
    [[nodiscard]] std::uint32_t generation() const { return lease_.generation.low(); }
    /// Undoes what was done under it, and holds it for another round. What could not be undone is
    /// in the result, and tried again.
    std::vector<Undone> undo_round() { return guard_->undo_but_leases(); }
    /// The same, and gives it back.
    std::vector<Undone> undo() { return guard_->undo_all(); }

private:
    ScanLease(const Registry& registry, Guard& guard, const Lease& lease, bool borrowed)
        : registry_(&registry), guard_(&guard), lease_(lease), borrowed_(borrowed) {}

    const Registry* registry_;
    Guard* guard_;  ///< none: moved away
    Lease lease_;
    bool borrowed_;
};

}  // namespace ksms
