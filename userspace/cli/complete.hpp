// SPDX-License-Identifier: BSD-2-Clause
// For bash: complete -C 'ksmsctl complete' ksmsctl
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace ksms {

/// What may stand where a line ends, one a line: commands, options, or an option's choices.
/// @param line  from the program's name to the cursor
[[nodiscard]] std::string completions(const std::vector<Command>& table, const std::string& line);

}  // namespace ksms
