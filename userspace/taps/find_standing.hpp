// SPDX-License-Identifier: BSD-2-Clause
// Finds the standing taps of a site.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "guard/guard.hpp"
#include "taps/table.hpp"
#include "taps/taps.hpp"

namespace ksms {

struct StandingTap {
    std::uint32_t id{0}, link_id{0};
    Fd link;  ///< held, so that the tap stays if its creator ends
};

/// All or none: two kinds of taps in one direction would count packets twice or not at all. Kept
/// taps are journaled, because the last holder of their link removes the entry.
/// @return one for each interface of the site, in its order; none if an interface has none
Result<std::vector<StandingTap>> find_standing(const TapTable& table, Guard& guard,
                                               const TapSite& site, ksms_direction direction,
                                               ksms_tap_kind kind);

}  // namespace ksms
