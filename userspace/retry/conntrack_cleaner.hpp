// SPDX-License-Identifier: BSD-2-Clause
// Takes our own entries out of the connection tracking of every namespace on the way, and says how
// many probes may be sent before.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bpf/map.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "judge/plan.hpp"
#include "ksms/abi.h"
#include "os/conntrack.hpp"
#include "route/network.hpp"

namespace ksms {

class ConntrackCleaner {
public:
    /// Everything is outlived by its arguments. Without connection tracking in the kernel there is
    /// nothing to look at.
    /// @param active  bit n: a scan runs under DSCP n; they share what is free
    static ConntrackCleaner of(const Plan& plan, const Network& network, const StoreSlots& sites,
                               const ScanStore& store, const std::uint64_t& active);

    /// How many probes may be sent now so that every namespace keeps at least half of what is free:
    /// it is looked at anew. SIZE_MAX where nothing is tracked.
    std::size_t allowance();
    /// Takes the entries away that our probes have made so far. What was seen where is asked of the
    /// taps.
    void clear();
    /// The namespace that allowed least when it was last asked.
    [[nodiscard]] const std::string& tightest() const { return tightest_; }
    /// What did not work, for people.
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

private:
    struct Place {
        Conntrack conntrack;
        std::string name;
        std::size_t slot;
    };
    void add(const Netns& netns, std::size_t slot);
    Status clear(Place& place);
    static Status clear_like(Place& place, const Flow& like, const std::bitset<1 << 16>& ports);
    [[nodiscard]] Flow flow_of(std::uint32_t probe) const;

    const ScanStore* store_{nullptr};
    const std::uint64_t* active_{nullptr};
    std::vector<Place> places_;
    std::string tightest_;
    std::vector<std::string> warnings_;
};

}  // namespace ksms
