// SPDX-License-Identifier: BSD-2-Clause
// The lease of a scan while it runs: renewed in time, and missed at once where it is gone.
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

    /// Looks at the lease, at most every kLookEvery, and renews it in the second half of its time.
    /// @return Code::failed once it is not held any more: what is counted from then on may be
    /// another's
    Status keep();
    /// The same at once.
    Status look();

    static constexpr std::chrono::milliseconds kLookEvery{50};

private:
    const Registry& registry_;
    const Lease& lease_;
    Instant looked_;
};

}  // namespace ksms
