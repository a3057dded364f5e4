// SPDX-License-Identifier: BSD-2-Clause
// The table of commands. A file makes its own: NAME_command.cpp holds NAME_commands().
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

/// What a command is given. It prints through `console` alone.
struct Context {
    const GlobalOptions& options;
    const Config& config;
    const Environment& environment;
    PinRoot root;
    Console& console;
    /// The number of SIGINT, SIGTERM, SIGHUP or SIGQUIT once it came, 0 before. These signals end
    /// nothing by themselves: a command that waits looks here (system calls end with EINTR), cleans
    /// up and returns 128 + the number. SIGPIPE is ignored: who runs another program sets it to
    /// SIG_DFL.
    const std::atomic<int>& stop;
};

struct Command {
    const char* name;      ///< "scan", "registry list"
    const char* synopsis;  ///< behind the name: "-s SOURCE -d DESTINATION -P PORTS"
    const char* summary;   ///< one line, for the list of commands
    std::span<const Option> options;
    std::size_t least_words, most_words;  ///< how many words that are no options it takes
    bool takes_rest;                      ///< does something stand behind "--"?
    /// @return the exit status. Where it is an error, nothing may have been written to the console.
    ///         With console.json() it writes exactly one document.
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

/// All of them, in the order of the help.
[[nodiscard]] std::vector<Command> commands();

}  // namespace ksms
