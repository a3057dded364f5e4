// SPDX-License-Identifier: BSD-2-Clause
#include "judge/dropped_behind.hpp"

#include <algorithm>

namespace ksms {

bool dropped_behind(const RouterEvidence& seen, std::uint32_t sent, bool in_circles,
                    Instant last_sight, bool seen_behind) {
    if (seen.drop.count == 0 || (seen_behind && !in_circles)) return false;
    // What came in and did not go out accounts for as many drops: those were in front of the tap.
    const auto in_front = seen.in.packets - std::min(seen.in.packets, seen.out.packets);
    const auto behind = seen.drop.count - std::min<std::uint64_t>(seen.drop.count, in_front);
    // In a loop it comes by again and again, until its TTL runs out where it was seen to pass
    // before.
    const bool each_copy =
        seen.in.packets > sent ? seen.drop.count >= sent : behind >= seen.out.packets;
    return each_copy && seen.drop.at >= (in_circles ? last_sight : seen.out.last);
}

}  // namespace ksms
