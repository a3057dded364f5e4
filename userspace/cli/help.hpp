// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace ksms {

/// Is it a command, or the first word of several ("registry")?
[[nodiscard]] bool has_help(const std::vector<Command>& table, const std::string& topic);
/// The first words of all commands, or the second ones of those that begin with `group`.
[[nodiscard]] std::vector<std::string> command_words(const std::vector<Command>& table,
                                                     const std::string& group);
/// @param topic  a command, the first word of several, or "": everything
[[nodiscard]] std::string help_text(const std::vector<Command>& table, const std::string& topic);
[[nodiscard]] std::string version_text();

}  // namespace ksms
