// SPDX-License-Identifier: BSD-2-Clause
// Finds the interfaces that carry traffic. While a clsact qdisc is created or removed the kernel
// deactivates the device (net/sched/sch_api.c, qdisc_graft) and drops outgoing packets for about
// half a millisecond. A quiet interface loses nothing; on a busy one no clsact is created.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "os/netlink.hpp"
#include "taps/taps.hpp"

namespace ksms {

class Traffic {
public:
    /// Somebody has read the links of this namespace before.
    void know(const Netns& netns, const std::vector<Link>& links, Instant read);
    /// Reads the sent packets of the interfaces of these sites, where nobody has.
    Status look(const std::vector<TapSite>& sites);
    /// Whether one of these interfaces has sent a packet since they were read. Waits until kWindow
    /// has passed since then.
    Result<bool> flows(const TapSite& site, std::span<const std::uint32_t> interfaces,
                       Netlink& netlink) const;

private:
    struct Seen {
        Instant read;
        std::map<std::uint32_t, std::uint64_t> sent;  ///< by ifindex
    };
    std::map<std::uint32_t, Seen> seen_;  ///< by the namespace's inode
};

}  // namespace ksms
