// SPDX-License-Identifier: BSD-2-Clause
// Why a router refused to route a packet, where no route and no rule says so.
#pragma once

#include <string>

#include "base/error.hpp"
#include "explain/culprit.hpp"
#include "os/netlink.hpp"

namespace ksms {

struct RefusalReason {
    std::string error;   ///< "forwarding is off on eth0"; "": it was something else
    std::string detail;  ///< "net.ipv4.conf.eth0.forwarding is 0"
};

/// By what the kernel said when it dropped the packet, by its answer to a question for the route,
/// and by the settings of the interface that it came in by, in this order.
/// @param question  its iif is not 0
/// @param iif       the same by its name
/// @param drop      of the packet; empty: it was not dropped there, or nothing was said
/// @param err       errno of the answer; 0: there is a route
Result<RefusalReason> refusal_reason(Netlink& netlink, const RouteQuestion& question,
                                     const std::string& iif, const KernelDrop& drop, int err);

}  // namespace ksms
