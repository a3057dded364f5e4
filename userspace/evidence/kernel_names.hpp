// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>
#include <map>

#include "bpf/objects.hpp"
#include "judge/drop.hpp"

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

}  // namespace ksms
