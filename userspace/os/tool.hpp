// SPDX-License-Identifier: BSD-2-Clause
// Other people's programs, run inside a namespace for what they print.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "os/netns.hpp"

namespace ksms {

/// Runs a program to its end, without input; what it says on standard error is dropped.
/// @param arguments  the program first, looked up in PATH
/// @return its standard output; Code::not_found where there is no such program, Code::failed where
/// it ended with another status than 0 or took longer than ten seconds
Result<std::string> run_tool(const Netns& netns, const std::vector<std::string>& arguments);

}  // namespace ksms
