// SPDX-License-Identifier: BSD-2-Clause
// Seen by the egress tap, and dropped all the same.
#pragma once

#include <cstdint>

#include "base/clock.hpp"
#include "judge/evidence.hpp"

namespace ksms {

/// Behind the egress tap a queueing discipline may still drop it; what was seen further on was not
/// dropped.
/// @param sent  how often the probe was sent
/// @param in_circles  a router saw it come in more often than that
/// @param last_sight  when any tap of any router saw it last
/// @param seen_behind  it was seen further on
[[nodiscard]] bool dropped_behind(const RouterEvidence& seen, std::uint32_t sent, bool in_circles,
                                  Instant last_sight, bool seen_behind);

}  // namespace ksms
