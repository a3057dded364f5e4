// SPDX-License-Identifier: BSD-2-Clause
// The JSON documents. Their schemas are in tests/schema/.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "judge/report.hpp"
#include "output/json_writer.hpp"

namespace ksms {

// Parts that several documents share.
void service_fields(JsonWriter& json, const Service& service);
/// Where the kernel dropped the packet; null if `here` is false.
void place_and_hook(JsonWriter& json, const Report& report, const DropSite& dropped, bool here);
/// None if the destination is not on this machine.
[[nodiscard]] std::optional<bool> reached(const ServiceReport& service);

/// The key `entries`: names; with several entries also what each answers.
void write_entries(JsonWriter& json, const Report& report);

/// Writes ksms.scan/1 in pieces to `sink`.
void write_scan_json(const Report& report, bool pretty, const Sink& sink);

/// ksms.error/1
std::string error_json(const Error& error, bool pretty);

/// {"schema":SCHEMA,KEY:TEXT}: version and help.
std::string information_json(const std::string& schema, const std::string& key,
                             const std::string& text, bool pretty);

}  // namespace ksms
