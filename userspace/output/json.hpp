// SPDX-License-Identifier: BSD-2-Clause
// The documents: tests/schema/ has the shape of each.
#pragma once

#include <string>

#include "base/error.hpp"
#include "judge/report.hpp"
#include "output/json_writer.hpp"

namespace ksms {

/// ksms.scan/1, piece after piece into `sink`.
void write_scan_json(const Report& report, bool pretty, const Sink& sink);

/// ksms.error/1
std::string error_json(const Error& error, bool pretty);

/// {"schema":SCHEMA,KEY:TEXT}: version and help.
std::string information_json(const std::string& schema, const std::string& key,
                             const std::string& text, bool pretty);

}  // namespace ksms
