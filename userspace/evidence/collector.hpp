// SPDX-License-Identifier: BSD-2-Clause
// Counters and drops of the store -> evidence.
#pragma once

#include <cstdint>

#include "evidence/arrivals.hpp"
#include "evidence/kernel_names.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "judge/evidence.hpp"
#include "judge/plan.hpp"

namespace ksms {

class Collector {
public:
    Collector(const Plan& plan, const StoreSlots& slots, const ScanStore& store, KernelNames& names)
        : plan_(plan),
          slots_(slots),
          store_(store),
          names_(names),
          arrivals_(plan, slots, store, names) {}
    /// Everything known of one probe now. `sent` and `not_sent` are the caller's.
    void collect(std::uint32_t probe, ProbeEvidence& evidence) const;
    /// Of the drops that were collected so far.
    [[nodiscard]] const KernelWords& words() const { return names_.words(); }

private:
    Sighting sighting(std::size_t slot, ksms_direction direction, std::uint32_t probe) const;
    Drop drop(std::size_t slot, std::uint32_t probe) const;
    Reply reply(std::size_t slot, std::uint32_t probe) const;
    void collect_packets(std::uint32_t probe, ProbeEvidence& evidence) const;
    void collect_destination(std::uint32_t probe, ProbeEvidence& evidence) const;

    const Plan& plan_;
    const StoreSlots& slots_;
    const ScanStore& store_;
    KernelNames& names_;
    Arrivals arrivals_;
};

}  // namespace ksms
