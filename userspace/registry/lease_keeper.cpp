// SPDX-License-Identifier: BSD-2-Clause
#include "registry/lease_keeper.hpp"

#include <fmt/format.h>

#include "base/clock.hpp"

namespace ksms {

Status LeaseKeeper::keep() {
    return monotonic_ns() - looked_ns_ < kLookEvery ? Status{} : look();
}

Status LeaseKeeper::look() {
    looked_ns_ = monotonic_ns();
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
    if (record->expires_ns == 0 || record->ttl_ns == 0 ||
        record->expires_ns - looked_ns_ > record->ttl_ns / 2)
        return {};
    return registry_.renew(lease_.dscp, lease_.generation, record->ttl_ns);
}

}  // namespace ksms
