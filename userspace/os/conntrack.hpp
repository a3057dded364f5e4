// SPDX-License-Identifier: BSD-2-Clause
// Connection tracking of one namespace: how full its table is, and taking single entries out of it.
// ctnetlink, linux/netfilter/nfnetlink_conntrack.h.
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

/// What an entry is known by: the packet that made it, before any translation.
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
    /// Before the kernel evicts entries or drops packets.
    [[nodiscard]] std::uint32_t free() const {
        return limit == 0 ? UINT32_MAX : limit - std::min(limit, entries);
    }
};

class Conntrack {
public:
    /// Is nf_conntrack there at all? Asking ctnetlink would load it.
    static bool loaded();
    static Result<Conntrack> open(const Netns& netns);

    /// IPCTNL_MSG_CT_GET_STATS (Linux 4.18 has the limit in it).
    Result<ConntrackTable> table();
    /// Removes the entries that exactly these packets made. The kernel finds an entry by its reply
    /// too, so each is looked at first, and removed by its id.
    /// @return how many there were
    Result<std::size_t> remove(std::span<const Flow> flows);
    /// Removes every entry that was made by a packet from `like.source` and its port to
    /// `like.destination`, if `ours` says so of the destination port. Walks the whole table once
    /// (CTA_FILTER, Linux 5.8): better than remove() for thousands.
    Result<std::size_t> remove_like(const Flow& like,
                                    const std::function<bool(std::uint16_t port)>& ours);
    /// The same for all destination ports, in one call: several times faster.
    /// @return false: this kernel cannot (before Linux 6.11; IPv6), nothing was done
    Result<bool> remove_all_like(const Flow& like);

private:
    /// @return how many of the requests were carried out
    Result<std::size_t> remove_found(std::vector<Batch>& found);

    explicit Conntrack(Netlink netlink) : netlink_(std::move(netlink)) {}
    Netlink netlink_;
};

}  // namespace ksms
