// SPDX-License-Identifier: BSD-2-Clause
// What members of the group may ask of ksmsd, which is root: "ksms.allow" of the configuration.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "judge/plan.hpp"
#include "route/request.hpp"

namespace ksms {

/// What the request itself shows: its source, its mode, its rate, what it names. Paths of
/// namespaces are root's to name: a file that root opens may be anything.
/// @return Code::not_allowed naming the option and the key
[[nodiscard]] Status allows(const Allowance& allowance, const ScanRequest& request);
/// Where its probes would leave and what they would pass.
/// @param namespaces  Allowance::namespaces
[[nodiscard]] Status allows(const std::vector<std::string>& namespaces, const Plan& plan);
/// The request, no faster than allowed.
void slow_down(const Allowance& allowance, ScanRequest& request);

}  // namespace ksms
