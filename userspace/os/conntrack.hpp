// SPDX-License-Identifier: BSD-2-Clause
// Connection tracking of one namespace: size of its table, removal of entries. ctnetlink,
// linux/netfilter/nfnetlink_conntrack.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/error.hpp"
#include "os/netlink.hpp"
#include "os/netns.hpp"

namespace ksms {

/// The original tuple of an entry: the packet that created it, before NAT.
struct Flow {
    Address source, destination;
    std::uint8_t protocol{0};  ///< IPPROTO_TCP or IPPROTO_UDP
    std::uint16_t source_port{0}, destination_port{0};
    bool operator==(const Flow&) const = default;
};

struct ConntrackTable {
    std::uint32_t entries{0};  ///< of this namespace alone
    std::uint32_t limit{0};    ///< nf_conntrack_max, one figure for the machine, but each namespace
                               ///< may have as many entries for itself; 0: unlimited
    /// Entries that can be added before the kernel evicts entries or drops packets.
    [[nodiscard]] std::uint32_t free() const {
        return limit == 0 ? UINT32_MAX : limit - std::min(limit, entries);
    }
};

class Conntrack {
public:
    /// Whether nf_conntrack is loaded. A ctnetlink request would load it.
    static bool loaded();
    static Result<Conntrack> open(const Netns& netns);

    /// IPCTNL_MSG_CT_GET_STATS (reports the limit since Linux 4.18).
    Result<ConntrackTable> table();
    /// Removes the entries whose original tuple is one of these. The kernel also finds an entry by
    /// its reply tuple, so each entry is read first and removed by its id.
    /// @return how many were removed
    Result<std::size_t> remove(std::span<const Flow> flows);
    /// Removes every entry whose original tuple has the source, source port and destination of
    /// `like` and a destination port that `ours` accepts. Lists the table once (CTA_FILTER, Linux
    /// 5.8): faster than remove() for thousands.
    Result<std::size_t> remove_like(const Flow& like,
                                    const std::function<bool(std::uint16_t port)>& ours);
    /// The same for all destination ports, in one request: several times faster.
    /// @return false if the kernel does not support it (before Linux 6.11; IPv6); then nothing was
    /// removed
    Result<bool> remove_all_like(const Flow& like);

private:
    /// @return how many entries were removed
    Result<std::size_t> remove_found(std::vector<Batch>& found);

    explicit Conntrack(Netlink netlink) : netlink_(std::move(netlink)) {}
    Netlink netlink_;
};

/// Does connection tracking expect a connection there (as of FTP)? Only if it is in use.
Result<bool> has_expectations(const Netns& netns);

}  // namespace ksms
