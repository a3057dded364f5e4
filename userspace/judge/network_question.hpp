// SPDX-License-Identifier: BSD-2-Clause
// What the taps alone cannot tell of a probe and the network can. The judge names the question; who
// has the network answers it, and the probe is judged again.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "judge/evidence.hpp"
#include "judge/note.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// How a probe left the last router that saw it.
struct Departure {
    std::size_t router{0};       ///< index into Plan::routers
    std::uint32_t service{0};    ///< index into the scan's services
    std::uint32_t ingress{0};    ///< ifindex; 0: nobody saw it come in
    std::uint32_t egress{0};     ///< ifindex
    std::uint8_t dscp{0};        ///< that it came with
    bool remarked{false};        ///< the router changed that
    std::optional<Endpoint> to;  ///< translated to this; none: to the scan's destination
    auto operator<=>(const Departure&) const = default;
};

struct NetworkQuestion {
    enum class What {
        unwatched,  ///< does its way lead on to a router without taps?
        silent,     ///< did its next hop not answer for its address?
    } what{What::unwatched};
    Departure departure;
    auto operator<=>(const NetworkQuestion&) const = default;
};

using NetworkAnswers = std::map<NetworkQuestion, bool>;

/// @param dscp  of the scan: what a probe has that nobody saw come in
[[nodiscard]] Departure departure_from(std::size_t router, std::uint32_t service,
                                       const RouterEvidence& seen, std::uint8_t dscp);

/// Did it leave the router where its path ends, untranslated, to somebody who takes it?
[[nodiscard]] bool left_as_planned(const PlanPath& path, std::size_t router,
                                   const RouterEvidence& seen);

/// The router that saw it last; one of its copies may be behind the others, so by the first sight.
/// The first router where none saw it; nothing without routers.
[[nodiscard]] const RouterEvidence* last_to_see(const ProbeEvidence& evidence);

}  // namespace ksms
