// SPDX-License-Identifier: BSD-2-Clause
#include "judge/cause.hpp"

namespace ksms {

DropSite site_of(const Drop& drop) {
    return {drop.reason, drop.place, drop.hook, drop.is.kind, drop.count > 0};
}

bool is_rejected(const DropSite& dropped, const Reply& reply) {
    if (!reply || reply.syn_ack()) return false;
    if (dropped.reported) return dropped.kind == DropKind::firewall;
    // Where drops are not seen: what no routing decision sends.
    return reply.rejects();
}

}  // namespace ksms
