// SPDX-License-Identifier: BSD-2-Clause
// For bash: complete -C 'ksmsctl complete' ksmsctl
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace ksms {

/// Completions for the end of a line, one per line: commands, options, or choices of an option.
/// @param line  from the name of the program to the cursor
[[nodiscard]] std::string completions(const std::vector<Command>& table, const std::string& line);

}  // namespace ksms
