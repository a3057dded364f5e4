// SPDX-License-Identifier: BSD-2-Clause
// The taps of a site that stand there for every scan.
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
    Fd link;  ///< held: the tap outlives who put it there
};

/// All or none: two kinds of taps in one direction would count twice or not at all. Kept ones are
/// journaled, since the last who holds such a link takes its entry back.
/// @return one for each interface of the site, in its order; none where one of them has none
Result<std::vector<StandingTap>> find_standing(const TapTable& table, Guard& guard,
                                               const TapSite& site, ksms_direction direction,
                                               ksms_tap_kind kind);

}  // namespace ksms
