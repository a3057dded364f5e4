// SPDX-License-Identifier: BSD-2-Clause
// Keeps the lease of a running scan: renews it in time and notices its loss.
#pragma once

#include <cstdint>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "registry/registry.hpp"

namespace ksms {

class LeaseKeeper {
public:
    LeaseKeeper(const Registry& registry, const Lease& lease)
        : registry_(registry), lease_(lease) {}

    /// Checks the lease, at most every kLookEvery, and renews it in the second half of its time.
    /// @return Code::failed if it is not held any more: later counts may belong to another job
    Status keep();
    /// The same immediately.
    Status look();

    static constexpr std::chrono::milliseconds kLookEvery{50};

private:
    const Registry& registry_;
    const Lease& lease_;
    Instant looked_;
};

}  // namespace ksms
