// SPDX-License-Identifier: BSD-2-Clause
// Makes the hops of a result from a scan of one service and the observations.
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

/// Looks up the routes in the namespaces and runs the firewall tools for the texts of rules.
/// @param source_port  of the probes
std::vector<HopReport> explain_hops(const ScanRequest& request, const Report& report,
                                    const Watches& watches, std::uint16_t source_port);

/// The candidates after another probe, if the first one left several.
std::vector<FirewallRule> candidates_at(const std::string& router, const Report& report,
                                        const Watches& watches);

}  // namespace ksms
