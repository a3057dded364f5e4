// SPDX-License-Identifier: BSD-2-Clause
// Counters and drops of the store -> evidence.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bpf/objects.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "judge/evidence.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// The kernel's names of drop reasons and places, each asked for once.
class KernelNames {
public:
    explicit KernelNames(const Objects& objects) : objects_(objects) {}
    /// What this reason means, wherever it was dropped.
    DropClass meaning(std::uint32_t number) { return reason(number).is; }
    /// Enters both words, and what they mean.
    void name(const ksms_drop& seen, Drop& drop) { name(seen.reason, seen.place, drop); }
    void name(std::uint32_t number, std::uint64_t address, Drop& drop);
    [[nodiscard]] const KernelWords& words() const { return words_; }

private:
    struct Reason {
        KernelWords::Index word{KernelWords::kNone};
        DropClass is;
    };
    /// "NETFILTER_DROP"; none for NOT_SPECIFIED and for what the kernel has no name for
    const Reason& reason(std::uint32_t number);
    /// The function that the address is in; none where the kernel does not tell
    KernelWords::Index place(std::uint64_t address);

    const Objects& objects_;
    KernelWords words_;
    std::map<std::uint32_t, Reason> reasons_;
    std::map<std::uint64_t, KernelWords::Index> places_;
};

class Collector {
public:
    Collector(const Plan& plan, const StoreSlots& slots, const ScanStore& store, KernelNames& names)
        : plan_(plan), slots_(slots), store_(store), names_(names) {}
    /// Everything known of one probe now. `sent` and `not_sent` are the caller's.
    void collect(std::uint32_t probe, ProbeEvidence& evidence) const;
    /// Of the drops that were collected so far.
    [[nodiscard]] const KernelWords& words() const { return names_.words(); }

private:
    Sighting sighting(std::size_t slot, ksms_direction direction, std::uint32_t probe) const;
    Drop drop(std::size_t slot, std::uint32_t probe) const;
    Reply reply(std::size_t slot, std::uint32_t probe) const;
    void collect_destination(std::uint32_t probe, ProbeEvidence& evidence) const;

    const Plan& plan_;
    const StoreSlots& slots_;
    const ScanStore& store_;
    KernelNames& names_;
};

}  // namespace ksms
