// SPDX-License-Identifier: BSD-2-Clause
// --mode isolated: a router is given each probe at its own ingress interface. Where a probe that
// was given to a router before comes on to it, or was sent on to it, that one is what the network
// gives to it, with every change that those routers made.
#pragma once

#include <cstdint>

#include "evidence/kernel_names.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "judge/plan.hpp"

namespace ksms {

class Arrivals {
public:
    /// What tells how a router treats a service.
    struct Given {
        std::uint32_t probe;  ///< whose packets
        /// Nothing does: a router before it makes another packet of the probe, and none came here.
        bool another{false};
    };

    /// Everything outlives it.
    Arrivals(const Plan& plan, const StoreSlots& slots, const ScanStore& store, KernelNames& names)
        : plan_(plan), slots_(slots), store_(store), names_(names) {}
    /// To the router of this probe's entry, as far as is known now.
    [[nodiscard]] Given given_to(std::uint32_t probe) const;

private:
    [[nodiscard]] const PlanHop* place(std::uint32_t probe) const;
    [[nodiscard]] std::uint32_t hop(std::uint32_t probe) const;
    /// @param router_of  the probe that the router is given
    [[nodiscard]] bool came_to(std::uint32_t router_of, std::uint32_t probe) const;
    [[nodiscard]] bool was_sent_to(std::uint32_t router_of, std::uint32_t probe) const;
    [[nodiscard]] bool is_changed(std::uint32_t probe) const;

    const Plan& plan_;
    const StoreSlots& slots_;
    const ScanStore& store_;
    KernelNames& names_;
};

}  // namespace ksms
