// SPDX-License-Identifier: BSD-2-Clause
// Counters and drops of the store -> evidence.
#pragma once

#include <cstdint>
#include <map>

#include "bpf/objects.hpp"
#include "scan/evidence.hpp"
#include "scan/plan.hpp"
#include "scan/sites.hpp"
#include "scan/store.hpp"

namespace ksms {

/// The kernel's names of drop reasons and places, each asked for once.
class KernelNames {
public:
    explicit KernelNames(const Objects& objects) : objects_(objects) {}
    /// "NETFILTER_DROP"; "" for NOT_SPECIFIED and for what the kernel has no name for
    Name reason(std::uint32_t number);
    /// Dropped for want of room, not by anybody's will: the next one may pass.
    bool is_for_want_of_room(std::uint32_t number);
    /// The function that the address is in; "" where the kernel does not tell
    Name place(std::uint64_t address);

private:
    const Objects& objects_;
    std::map<std::uint32_t, Name> reasons_;
    std::map<std::uint64_t, Name> places_;
};

class Collector {
public:
    Collector(const Plan& plan, const ScanSites& sites, const ScanStore& store, KernelNames& names)
        : plan_(plan), sites_(sites), store_(store), names_(names) {}
    /// Everything known of one probe now. `sent` and `not_sent` are the caller's.
    void collect(std::uint32_t probe, ProbeEvidence& evidence) const;

private:
    Sighting sighting(std::size_t slot, ksms_direction direction, std::uint32_t probe) const;
    DropEvidence drop(std::size_t slot, std::uint32_t probe) const;
    Name answer(std::size_t slot, std::uint32_t probe) const;
    void collect_destination(std::uint32_t probe, ProbeEvidence& evidence) const;

    const Plan& plan_;
    const ScanSites& sites_;
    const ScanStore& store_;
    KernelNames& names_;
};

}  // namespace ksms
