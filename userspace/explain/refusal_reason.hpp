// SPDX-License-Identifier: BSD-2-Clause
// Why a router refused to route a packet although no route or rule refuses it: rp_filter,
// forwarding is off, invalid addresses.
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

/// Uses, in this order: the drop reason, the kernel's answer to the route lookup, the settings of
/// the ingress interface.
/// @param question  the lookup; its iif is not 0
/// @param iif       the name of that interface
/// @param drop      of the packet; empty: not dropped there, or no reason given
/// @param err       errno of the lookup; 0: there is a route
Result<RefusalReason> refusal_reason(Netlink& netlink, const RouteQuestion& question,
                                     const std::string& iif, const KernelDrop& drop, int err);

}  // namespace ksms
