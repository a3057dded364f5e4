// SPDX-License-Identifier: BSD-2-Clause
// What the firewalls on the way say about a scan itself, into the plan: rates to keep below, rules
// that remember, rules that look at the DSCP.
#pragma once

#include "base/error.hpp"
#include "judge/plan.hpp"
#include "route/network.hpp"
#include "route/request.hpp"

namespace ksms {

/// Fills limits and memories of sources, segments and routers, Plan::dscp_filtered, sorted and
/// spared, and warns of rules that remember a probe. Rules that cannot be read may say anything: a
/// warning has why.
void survey_firewalls(Network& network, const ScanRequest& request, Plan& plan);

}  // namespace ksms
