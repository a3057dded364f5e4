// SPDX-License-Identifier: BSD-2-Clause
// What there is at a router of a random network, for the shares that a run prints.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "fuzz_network.hpp"

namespace ksms::fuzz {

/// All names that things_at() may give.
[[nodiscard]] const std::vector<std::string>& all_things();

/// Elements, kinds of rules and of routes at this router; of those before it only whether one
/// translates.
[[nodiscard]] std::set<std::string> things_at(const Network& network, int router);

}  // namespace ksms::fuzz
