// SPDX-License-Identifier: BSD-2-Clause
#include "judge/delivery.hpp"

namespace ksms {

Delivery delivery_of(const Sighting& in, const Drop& drop, const Reply& reply, bool drops_seen) {
    if (reply.syn_ack()) return Delivery::taken;
    if (drop.count > 0 && drop.at >= in.last)
        return drop.is.no_socket ? Delivery::unheard : Delivery::refused;
    return drops_seen ? Delivery::taken : Delivery::unknown;
}

}  // namespace ksms
