// SPDX-License-Identifier: BSD-2-Clause
// Evidence from the way of the packet itself, in place of what the taps counted.
#pragma once

#include "judge/evidence.hpp"
#include "judge/own_way.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// What a probe of the scan is sent as.
struct SentAs {
    std::uint8_t dscp{0};
    Endpoint source, destination;
};

/// Where the packet of this probe starts.
[[nodiscard]] Origin origin_of(const Plan& plan, std::size_t entry);

/// @param evidence  in: as counted; out: of one packet that was sent once. Replies and strangers,
///                  which no trail has, stay.
void look_closer(const Plan& plan, std::uint32_t probe, const SentAs& sent, const OwnWay& way,
                 ProbeEvidence& evidence);

}  // namespace ksms
