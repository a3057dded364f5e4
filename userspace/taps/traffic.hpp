// SPDX-License-Identifier: BSD-2-Clause
// Which interfaces carry somebody's packets. While a clsact qdisc is made or removed the kernel
// deactivates the device (net/sched/sch_api.c, qdisc_graft): what leaves by it then, for about half
// a millisecond, is dropped. A quiet interface loses nothing by that, a busy one is left alone.
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
    /// Reads how many packets the interfaces of these sites have sent so far.
    Status look(const std::vector<TapSite>& sites);
    /// Has one of these interfaces of the site sent a packet since look()? Waits until kWindow has
    /// passed since then.
    Result<bool> flows(const TapSite& site, std::span<const std::uint32_t> interfaces,
                       Netlink& netlink) const;

private:
    using Place = std::pair<std::uint32_t, std::uint32_t>;  ///< inode of the namespace, ifindex
    std::map<Place, std::uint64_t> sent_;
    Instant looked_;  ///< when the last look() was over
};

}  // namespace ksms
