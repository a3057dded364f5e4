// SPDX-License-Identifier: BSD-2-Clause
// How a router stopped a probe, in words.
#pragma once

#include <cstddef>
#include <string>

#include "scan/evidence.hpp"
#include "scan/plan.hpp"

namespace ksms {

/// @param hook  where, by its name; "": not known
/// @param path  the predicted one, which knows by what route it ends
/// @return "firewall, FORWARD (NETFILTER_DROP)"; "came in and did not go out" where nothing more is
///         known
std::string stop_text(const DropEvidence& drop, const std::string& hook, const PlanPath& path,
                      std::size_t router);

}  // namespace ksms
