// SPDX-License-Identifier: BSD-2-Clause
// Finds the firewall rule that dropped or rejected the probe in a namespace.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "explain/result.hpp"
#include "explain/watch.hpp"

namespace ksms {

struct Culprit {
    std::vector<FirewallRule> rules;  ///< one: the rule; several: candidates; none: see `why`
    std::string why;                  ///< if the rule is not known
};

/// The rule of a drop. Empty, also `why`, if no firewall dropped the probe.
Culprit find_culprit(const Watch& watch, const KernelDrop& drop, std::string_view protocol,
                     int family);

/// The candidates in both lists: rules that dropped each of several probes.
[[nodiscard]] std::vector<FirewallRule> in_both(const std::vector<FirewallRule>& a,
                                                const std::vector<FirewallRule>& b);

/// The decision of each nf_tables base chain that the probe passed, listed once even in a routing
/// loop.
std::vector<FirewallRule> passed_chains(const Watch& watch);

}  // namespace ksms
