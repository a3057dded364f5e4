// SPDX-License-Identifier: BSD-2-Clause
// The documents: tests/schema/ has the shape of each.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "judge/report.hpp"
#include "output/json_writer.hpp"

namespace ksms {

// What several documents say of a service.
void service_fields(JsonWriter& json, const Service& service);
/// Where the kernel dropped it; null for what was not dropped there.
void place_and_hook(JsonWriter& json, const Report& report, const DropSite& dropped, bool here);
/// None where the destination is not on this machine.
[[nodiscard]] std::optional<bool> reached(const ServiceReport& service);

/// ksms.scan/1, piece after piece into `sink`.
void write_scan_json(const Report& report, bool pretty, const Sink& sink);

/// ksms.error/1
std::string error_json(const Error& error, bool pretty);

/// {"schema":SCHEMA,KEY:TEXT}: version and help.
std::string information_json(const std::string& schema, const std::string& key,
                             const std::string& text, bool pretty);

}  // namespace ksms
