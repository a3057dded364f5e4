// SPDX-License-Identifier: BSD-2-Clause
// The namespaces of a plan, each once: a slot in the store, and taps where they belong.
#pragma once

#include <cstdint>
#include <vector>

#include "evidence/store.hpp"
#include "judge/plan.hpp"
#include "route/network.hpp"
#include "taps/taps.hpp"

namespace ksms {

/// A namespace can be several things at once (the source may be a router): one slot, the taps of
/// all of them.
struct StoreSlots {
    std::vector<StoreSite> store;                ///< index = slot
    std::vector<TapSite> routers;                ///< what `--tap` says
    std::vector<TapSite> hosts;                  ///< sources and destination hosts: always TC
    std::vector<std::size_t> router_slots;       ///< slot of plan.routers[i]
    std::vector<std::size_t> entry_slots;        ///< slot of plan.entries[i]
    std::vector<std::size_t> host_slots;         ///< slot of plan.destination_hosts[i]
    std::vector<std::size_t> segment_slots;      ///< slot of plan.segments[i]
    std::vector<std::size_t> routers_tap_slots;  ///< slot of routers[i]
    std::vector<std::size_t> hosts_tap_slots;    ///< slot of hosts[i]

    /// @param network  that the plan was made of; outlives this
    static StoreSlots of(const Plan& plan, const Network& network);
    /// Enters the kinds of tap that stand now into `store`.
    void stand(const ScanTaps& router_taps, const ScanTaps& host_taps);
};

}  // namespace ksms
