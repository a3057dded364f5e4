// SPDX-License-Identifier: BSD-2-Clause
// The result of explain as text and JSON.
#pragma once

#include <cstddef>
#include <string>

#include "explain/result.hpp"
#include "output/json_writer.hpp"

namespace ksms {

/// @param width  columns
std::string explain_text(const Explanation& result, std::size_t width);

/// ksms.explain/1
void write_explain_json(const Explanation& result, bool pretty, const Sink& sink);

}  // namespace ksms
