// SPDX-License-Identifier: BSD-2-Clause
#include "judge/delivery.hpp"

namespace ksms {

Delivery delivery_of(const Sighting& in, const Drop& drop, const Reply& reply, bool drops_seen) {
    if (reply.syn_ack()) return Delivery::taken;
    if (drop.count > 0 && drop.at >= in.last) {
        if (!drop.is.at_transport) return Delivery::refused;
        if (drop.is.kind == DropKind::socket_filter) return Delivery::filtered;
        if (drop.is.kind == DropKind::buffer_full) return Delivery::no_room;
        return Delivery::unheard;
    }
    return drops_seen ? Delivery::taken : Delivery::unknown;
}

}  // namespace ksms
