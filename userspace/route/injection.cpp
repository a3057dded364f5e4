// SPDX-License-Identifier: BSD-2-Clause
#include "route/injection.hpp"

namespace ksms {

Result<PlanInjection> injection_at(Network& network, const Segment::Endpoint& at,
                                   const std::optional<Segment::Endpoint>& from) {
    PlanInjection injection;
    if (from) {
        KSMS_TRY(const auto* senders, network.interfaces(from->netns));
        const auto* sender = senders->link(from->ifindex);
        if (sender != nullptr) injection.from = sender->mac.value_or(injection.from);
    }
    KSMS_TRY(const auto* interfaces, network.interfaces(at.netns));
    const auto* link = interfaces->link(at.ifindex);
    injection.interface = {at.ifindex, link == nullptr ? std::string() : link->name};
    injection.mac = link == nullptr ? Mac{} : link->mac.value_or(Mac{});
    return injection;
}

}  // namespace ksms
