// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace ksms {

/// Whether it is a command, or the first word of several commands ("registry").
[[nodiscard]] bool has_help(const std::vector<Command>& table, const std::string& topic);
/// The first words of all commands, or the second words of the commands of `group`.
[[nodiscard]] std::vector<std::string> command_words(const std::vector<Command>& table,
                                                     const std::string& group);
/// @param topic  a command, the first word of several, or "": all commands
[[nodiscard]] std::string help_text(const std::vector<Command>& table, const std::string& topic);
[[nodiscard]] std::string version_text();

}  // namespace ksms
