// SPDX-License-Identifier: BSD-2-Clause
// Rules that answer by what came before, which the scan itself may have been.
#pragma once

#include <cstddef>
#include <string_view>

#include "judge/drop.hpp"
#include "judge/evidence.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// What rules that remember leave of one probe's evidence. Rules are told for people: "r1 t f
/// handle 7"; "" is none.
class MemoryDoubt {
public:
    MemoryDoubt(const Plan& plan, std::uint32_t probe, const ProbeEvidence& evidence);

    /// Which may have let it pass this router, or have made another packet of it before. To be
    /// asked of routers in the order of the way.
    [[nodiscard]] std::string_view of_pass(std::size_t router);
    /// Which may have stopped it there.
    [[nodiscard]] std::string_view of_stop(std::size_t router, const Drop& drop) const;

private:
    void pass_those_before(std::uint32_t packet, std::uint32_t probe);
    [[nodiscard]] bool meets(const PlanRouter& router) const;

    const Plan& plan_;
    std::size_t service_;
    bool met_;  ///< may it have met anything that the scan left?
    /// By which it may have passed a router, or be another packet from the beginning.
    std::string_view passed_by_;
};

}  // namespace ksms
