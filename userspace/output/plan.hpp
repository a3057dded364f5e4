// SPDX-License-Identifier: BSD-2-Clause
// The plan of a scan (--dry-run).
#pragma once

#include <cstddef>
#include <string>

#include "judge/plan.hpp"
#include "output/json_writer.hpp"
#include "route/request.hpp"

namespace ksms {

std::string plan_text(const ScanRequest& request, const Plan& plan, std::size_t width);

/// ksms.plan/1
void write_plan_json(const ScanRequest& request, const Plan& plan, bool pretty, const Sink& sink);

}  // namespace ksms
