// SPDX-License-Identifier: BSD-2-Clause
// A scan of one service, and what was looked at meanwhile -> hop by hop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "explain/result.hpp"
#include "explain/watch.hpp"
#include "route/request.hpp"

namespace ksms {

/// By the name of the namespace.
using Watches = std::map<std::string, Watch>;

/// Asks the kernels of the namespaces for their routes, and the firewalls' tools for texts.
/// @param source_port  of the probes
std::vector<HopReport> explain_hops(const ScanRequest& request, const Report& report,
                                    const Watches& watches, std::uint16_t source_port);

/// The rule that did it, of one more probe: for where the first one left several.
std::vector<FirewallRule> candidates_at(const std::string& router, const Report& report,
                                        const Watches& watches);

}  // namespace ksms
