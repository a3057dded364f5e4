// SPDX-License-Identifier: BSD-2-Clause
// Other people's programs, run inside a namespace for what they print.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "os/netns.hpp"

namespace ksms {

/// Where a program of the system is, in directories that only root writes to; PATH is not asked. ""
/// where there is none.
[[nodiscard]] std::string find_tool(std::string_view name);

/// Runs a program to its end, without input and with an environment of its own; what it says on
/// standard error is dropped.
/// @param arguments  the program first, as find_tool() takes it. Names that others gave must be
/// such
///                   that the program takes them for nothing else
/// @return its standard output; Code::not_found where there is no such program, Code::failed where
/// it ended with another status than 0, took longer than ten seconds or printed more than 64 MiB
Result<std::string> run_tool(const Netns& netns, const std::vector<std::string>& arguments);

}  // namespace ksms
