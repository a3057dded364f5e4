// SPDX-License-Identifier: BSD-2-Clause
// Runs external programs in a namespace and reads their output.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "os/netns.hpp"

namespace ksms {

/// The path of a system program, in directories that only root can write; PATH is not used. "": not
/// found.
[[nodiscard]] std::string find_tool(std::string_view name);

/// Runs a program to its end, without input and with a fixed environment. Its standard error is
/// dropped.
/// @param arguments  the program first, for find_tool(). Names that other users chose must not look
///                   like options or commands of the program
/// @return its standard output; Code::not_found if there is no such program; Code::failed if it
/// ended with a status other than 0, took longer than ten seconds or printed more than 64 MiB
Result<std::string> run_tool(const Netns& netns, const std::vector<std::string>& arguments);

}  // namespace ksms
