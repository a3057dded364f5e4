// SPDX-License-Identifier: BSD-2-Clause
#include "registry/lease_keeper.hpp"

#include <fmt/format.h>

#include "base/clock.hpp"

namespace ksms {

Status LeaseKeeper::keep() {
    return monotonic() - looked_ < kLookEvery ? Status{} : look();
}

Status LeaseKeeper::look() {
    looked_ = monotonic();
    const auto record = registry_.find_dscp(lease_.dscp);
    const bool ours = record && generation_of(*record) == lease_.generation;
    if (!record && record.error().code != Code::not_found) return std::unexpected(record.error());
    if (!ours)
        return fail(
            Code::failed,
            fmt::format("the lease of DSCP {} ended while the scan ran: what was counted may "
                        "be another job's",
                        lease_.dscp),
            "it was released, or its owner ended; scan again");
    const auto ttl = from_ns(record->ttl_ns);
    const bool renewable = record->expires_ns != 0 && ttl != nanoseconds(0);
    const auto left = instant(record->expires_ns) - looked_;
    // The kernel frees an expired lease.
    if (!renewable || left < nanoseconds(0) || left > ttl / 2) return {};
    return registry_.renew(lease_.dscp, lease_.generation, ttl);
}

}  // namespace ksms
