// SPDX-License-Identifier: BSD-2-Clause
// The table of commands. NAME_command.cpp defines NAME_commands().
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "cli/console.hpp"
#include "config/config.hpp"
#include "request/options.hpp"

namespace ksms {

/// The context of a command. It must print through `console` only.
struct Context {
    const GlobalOptions& options;
    const Config& config;
    const Environment& environment;
    PinRoot root;
    Console& console;
    /// The number of a received SIGINT, SIGTERM, SIGHUP or SIGQUIT; 0: none. The signals do not end
    /// the process: a waiting command checks this (system calls return EINTR), cleans up and
    /// returns 128 + the number. SIGPIPE is ignored; reset it before execve(2).
    const std::atomic<int>& stop;
};

struct Command {
    const char* name;      ///< "scan", "registry list"
    const char* synopsis;  ///< after the name: "-s SOURCE -d DESTINATION -P PORTS"
    const char* summary;   ///< one line, for the list of commands
    std::span<const Option> options;
    std::size_t least_words, most_words;  ///< number of arguments that are not options
    bool takes_rest;                      ///< takes arguments after "--"
    /// @return the exit status. In case of an error nothing may have been written to the console.
    /// With console.json() it writes exactly one document.
    Result<int> (*run)(Context& context, const Arguments& arguments);
};

std::span<const Command> scan_commands();
std::span<const Command> explain_commands();
std::span<const Command> registry_commands();
std::span<const Command> job_commands();
std::span<const Command> tap_commands();
std::span<const Command> doctor_commands();
std::span<const Command> gc_commands();
std::span<const Command> uninstall_commands();

/// All commands, in the order of the help.
[[nodiscard]] std::vector<Command> commands();

}  // namespace ksms
