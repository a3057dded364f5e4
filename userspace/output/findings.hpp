// SPDX-License-Identifier: BSD-2-Clause
// Findings of a registry check.
#pragma once

#include <string>
#include <vector>

#include "output/json_writer.hpp"
#include "registry/check.hpp"

namespace ksms {

std::string findings_text(const std::vector<Finding>& findings, bool repair);
/// ksms.registry-check/1
void write_findings_json(const std::vector<Finding>& findings, bool repair, bool pretty,
                         const Sink& sink);

}  // namespace ksms
