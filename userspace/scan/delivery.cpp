// SPDX-License-Identifier: BSD-2-Clause
#include "scan/delivery.hpp"

#include "scan/answer_text.hpp"
#include "scan/drop_text.hpp"

namespace ksms {

Delivery delivery_of(const Sighting& in, const DropEvidence& drop, const Name& answer,
                     bool drops_seen) {
    if (answer == kSynAck) return Delivery::taken;
    if (drop.count > 0 && drop.at_ns >= in.last_ns)
        return drop.no_socket ? Delivery::unheard : Delivery::refused;
    return drops_seen ? Delivery::taken : Delivery::unknown;
}

std::string delivery_text(Delivery delivery, const DropEvidence& drop, const Name& answer) {
    switch (delivery) {
        case Delivery::refused:
            return drop_text(drop, hook_name(drop.hook)) + rejected_text(drop, answer);
        case Delivery::unheard: return "accepted, nobody listens";
        case Delivery::taken: return "accepted, a socket took it";
        case Delivery::unknown: break;
    }
    return {};
}

}  // namespace ksms
