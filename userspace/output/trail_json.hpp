// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>

#include "judge/report.hpp"
#include "output/json_writer.hpp"

namespace ksms {

/// "trail" of a service: what happened to the probes that were followed; nothing where none was.
/// @param entry  whose probes; "": of all
void write_trail(JsonWriter& json, const Report& report, std::size_t service,
                 const std::string& entry = "");

}  // namespace ksms
