// SPDX-License-Identifier: BSD-2-Clause
// Finds the interfaces that carry traffic. While a clsact qdisc is created or removed the kernel
// deactivates the device (net/sched/sch_api.c, qdisc_graft) and drops outgoing packets for about
// half a millisecond. A quiet interface loses nothing; on a busy one no clsact is created.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "os/netlink.hpp"
#include "taps/taps.hpp"

namespace ksms {

class Traffic {
public:
    /// Reads the sent packets of the interfaces of these sites.
    Status look(const std::vector<TapSite>& sites);
    /// Whether one of these interfaces has sent a packet since look(). Waits until kWindow has
    /// passed since then.
    Result<bool> flows(const TapSite& site, std::span<const std::uint32_t> interfaces,
                       Netlink& netlink) const;

private:
    using Place = std::pair<std::uint32_t, std::uint32_t>;  ///< inode of the namespace, ifindex
    std::map<Place, std::uint64_t> sent_;
    Instant looked_;  ///< end of the last look()
};

}  // namespace ksms
