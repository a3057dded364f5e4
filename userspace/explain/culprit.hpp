// SPDX-License-Identifier: BSD-2-Clause
// What was looked at in a namespace -> the rule that dropped or rejected the probe there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "explain/result.hpp"
#include "explain/watch.hpp"

namespace ksms {

struct Culprit {
    std::vector<FirewallRule> rules;  ///< one: it is known; several: one of them; none: see `why`
    std::string why;                  ///< where it is not known
};

/// Where a firewall dropped it. A drop of anybody else's has no rule: nothing, and no reason.
Culprit find_culprit(const Watch& watch, const KernelDrop& drop, std::string_view protocol,
                     int family);

/// The candidates that are in both: a rule that dropped every one of several probes.
[[nodiscard]] std::vector<FirewallRule> in_both(const std::vector<FirewallRule>& a,
                                                const std::vector<FirewallRule>& b);

/// What decided in each base chain of nf_tables that the probe passed; once, though a loop leads it
/// there many times.
std::vector<FirewallRule> passed_chains(const Watch& watch);

}  // namespace ksms
