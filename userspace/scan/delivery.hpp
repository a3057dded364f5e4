// SPDX-License-Identifier: BSD-2-Clause
// What became of a probe in the namespace that it was sent to.
#pragma once

#include <string>

#include "scan/evidence.hpp"

namespace ksms {

enum class Delivery {
    refused,  ///< dropped before a socket was looked for: a firewall's INPUT, reverse path, …
    unheard,  ///< accepted, nobody listens
    taken,    ///< accepted, a socket took it
    unknown,  ///< nothing was seen, and drops are not
};

/// A TCP socket answers; a UDP socket takes it in silence, which means something only where drops
/// are seen.
/// @param in  where it came in: what came after the last drop was not dropped
/// @param answer  what the namespace sent back; see answer_text.hpp
Delivery delivery_of(const Sighting& in, const DropEvidence& drop, const Name& answer,
                     bool drops_seen);

/// "accepted, nobody listens"; "firewall, INPUT (NETFILTER_DROP), rejected: tcp-reset"; "" for
/// unknown
std::string delivery_text(Delivery delivery, const DropEvidence& drop, const Name& answer);

}  // namespace ksms
