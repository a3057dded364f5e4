// SPDX-License-Identifier: BSD-2-Clause
// Which routing rule and which route a packet gets, by the kernel's own answers.
#pragma once

#include <string>

#include "base/error.hpp"
#include "explain/culprit.hpp"
#include "explain/result.hpp"
#include "os/netlink.hpp"

namespace ksms {

/// @param question  its whole_route and mark are set here
/// @param left_by   the interface that the packet was seen to leave by; "": it was not seen. Where
///                  the routes say another one, the marks that the rules name are tried.
/// @param drop      what the kernel said when it dropped the packet there; empty: it did not
Result<RouteChoice> choose_route(Netlink& netlink, RouteQuestion question,
                                 const std::string& left_by, const KernelDrop& drop);

/// "from all iif eth1 fwmark 0x1 ipproto tcp dport 80", as `ip rule` writes it.
[[nodiscard]] std::string selector_text(const RoutingRule& rule);

/// Would a rule look at this packet?
[[nodiscard]] bool matches(const RoutingRule& rule, const RouteQuestion& question,
                           const std::string& iif);

}  // namespace ksms
