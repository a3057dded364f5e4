// SPDX-License-Identifier: BSD-2-Clause
// What became of a probe in the namespace that it was sent to.
#pragma once

#include "judge/cause.hpp"
#include "judge/evidence.hpp"

namespace ksms {

/// A TCP socket answers; a UDP socket takes it in silence, which means something only where drops
/// are seen.
/// @param in  where it came in: what came after the last drop was not dropped
/// @param reply  what the namespace sent back
Delivery delivery_of(const Sighting& in, const Drop& drop, const Reply& reply, bool drops_seen);

}  // namespace ksms
