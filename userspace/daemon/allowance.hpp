// SPDX-License-Identifier: BSD-2-Clause
// What members of the group may request from ksmsd, which runs as root: "ksms.allow" in the
// configuration.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "judge/plan.hpp"
#include "route/request.hpp"

namespace ksms {

/// Checks what the request itself contains: source, mode, namespaces. Only root may name a
/// namespace by its path, because root opens that file.
/// @return Code::not_allowed naming the option and the key
[[nodiscard]] Status allows(const Allowance& allowance, const ScanRequest& request);
/// Checks the namespaces that the probes leave from and pass.
/// @param namespaces  Allowance::namespaces
[[nodiscard]] Status allows(const std::vector<std::string>& namespaces, const Plan& plan);
/// Limits the rate of the request to what is allowed.
void slow_down(const Allowance& allowance, ScanRequest& request);

}  // namespace ksms
