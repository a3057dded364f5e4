// SPDX-License-Identifier: BSD-2-Clause
// Runs the command in argv and makes its result the exit status.
#include "cli/cli.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "base/environment.hpp"
#include "base/nearest.hpp"
#include "cli/command.hpp"
#include "cli/complete.hpp"
#include "cli/exit_status.hpp"
#include "cli/help.hpp"
#include "os/descriptor_limit.hpp"
#include "os/signals.hpp"
#include "output/json.hpp"

namespace ksms {
namespace {

using Line = std::vector<std::string>;

/// Whether a word is a global option, and whether the next word is its value.
struct GlobalWord {
    bool known{false}, takes_next{false};
};

/// "--output", "--output=FILE", "--out": as parse_arguments() accepts them.
GlobalWord global_long(const std::string& word) {
    const bool joined = word.find('=') != std::string::npos;
    const auto said = word.substr(2, word.find('=') - 2);
    const Option* meant = nullptr;
    for (const auto& option : global_options()) {
        const auto name = long_name(option);
        if (!name.starts_with(said)) continue;
        if (meant != nullptr && name != said) return {};
        meant = &option;
        if (name == said) break;
    }
    if (meant == nullptr) return {};
    return {true, meant->value != nullptr && !joined};
}

/// "-j", "-jo", "-joFILE": switches, then at most one option with a value.
GlobalWord global_bundle(const std::string& word) {
    for (std::size_t at = 1; at < word.size(); ++at) {
        const auto options = global_options();
        const auto found = std::ranges::find_if(options, [&](const Option& option) {
            const std::string_view names = option.names;
            return names.size() > 2 && names[names.size() - 2] == ',' && names.back() == word[at];
        });
        if (found == options.end()) return {};
        if (found->value != nullptr) return {true, at + 1 == word.size()};
    }
    return {true, false};
}

GlobalWord global_word(const std::string& word) {
    return word.starts_with("--") ? global_long(word) : global_bundle(word);
}

/// Removes the first word that is not an option from the line. "" if there is none, or if an option
/// of a command precedes it.
std::string take_word(Line& line) {
    for (auto at = line.begin(); at != line.end() && *at != "--"; ++at) {
        if (at->size() < 2 || at->front() != '-') {
            auto word = std::move(*at);
            line.erase(at);
            return word;
        }
        const auto option = global_word(*at);
        if (!option.known) return {};
        if (option.takes_next && at + 1 != line.end()) ++at;
    }
    return {};
}

/// The command of a line.
struct Call {
    const Command* command{nullptr};
    std::string topic;  ///< for the help: "", "scan", "registry"
    bool help{false};
};

Result<Call> find_command(const std::vector<Command>& table, Line& line) {
    Call call;
    call.topic = take_word(line);
    if (call.topic == "help") {
        call.help = true;
        call.topic = take_word(line);
        for (auto word = take_word(line); !word.empty(); word = take_word(line))
            call.topic += " " + word;
        if (!call.topic.empty() && !has_help(table, call.topic))
            return fail(Code::usage, fmt::format("{}: there is no such command", call.topic),
                        did_you_mean(call.topic, command_words(table, "")));
        return call;
    }
    if (call.topic.empty()) return call;
    const auto named = [&](const std::string& name) {
        return std::ranges::find(table, name, &Command::name);
    };
    auto found = named(call.topic);
    if (found == table.end() && has_help(table, call.topic)) {
        const auto group = call.topic;
        const auto second = take_word(line);
        if (second.empty()) return call;
        call.topic += " " + second;
        found = named(call.topic);
        if (found == table.end())
            return fail(Code::usage, fmt::format("{}: there is no such command", call.topic),
                        did_you_mean(second, command_words(table, group)));
    }
    if (found == table.end())
        return fail(Code::usage, fmt::format("{}: there is no such command", call.topic),
                    did_you_mean(call.topic, command_words(table, "")));
    call.command = &*found;
    return call;
}

/// Checks the arguments that are not options.
Status check_words(const Command& command, const Arguments& arguments) {
    if (!command.takes_rest && !arguments.rest.empty())
        return fail(Code::usage, fmt::format("{} takes nothing behind --", command.name));
    if (arguments.words.size() < command.least_words)
        return fail(Code::usage, fmt::format("{} needs {}", command.name, command.synopsis),
                    fmt::format("ksmsctl help {}", command.name));
    if (arguments.words.size() <= command.most_words) return {};
    const auto& word = arguments.words[command.most_words];
    const bool has_ports = std::ranges::any_of(command.options, [](const Option& option) {
        return std::string_view(option.names) == "ports,P";
    });
    if (has_ports && arguments.has("pretty"))
        return fail(Code::usage, fmt::format("unexpected argument {}", word),
                    fmt::format("did you mean -P {}? (-p is --pretty)", word));
    return fail(Code::usage, fmt::format("unexpected argument {}", word),
                fmt::format("ksmsctl {} {}", command.name, command.synopsis));
}

Result<int> print_information(const GlobalOptions& options, const std::string& schema,
                              const std::string& key, const std::string& text) {
    Console console(options);
    KSMS_CHECK(console.open());
    console.write(options.json ? information_json(schema, key, text, options.pretty) : text + "\n");
    KSMS_CHECK(console.finish());
    return 0;
}

/// The hint for a caller that has the capabilities but no permission on the files.
std::string rights_hint(const Error& error, const PinRoot& root) {
    if (error.code != Code::not_allowed || error.err != EACCES || ::geteuid() == 0) return {};
    return fmt::format(
        "{} and its pins are root's: run it as root (sudo), or give it "
        "CAP_DAC_OVERRIDE too",
        root.path);
}

Result<int> run_command(const Command& command, const GlobalOptions& options,
                        const Arguments& arguments, const std::atomic<int>& stop) {
    KSMS_TRY(const auto config, load_config(options.config));
    const auto environment = Environment::read();
    KSMS_TRY(auto root, PinRoot::choose(options.pin_root, environment.pin_root));
    Console console(options);
    for (const auto& warning : config.warnings) console.warn(warning);
    KSMS_CHECK(console.open());
    Context context{options, config, environment, std::move(root), console, stop};
    auto status = command.run(context, arguments);
    console.end_progress();
    if (!status) {
        auto& error = status.error();
        if (error.hint.empty()) error.hint = rights_hint(error, context.root);
        console.abandon();
        return status;
    }
    KSMS_CHECK(console.finish());
    return status;
}

Result<int> dispatch(Line line, const std::atomic<int>& stop) {
    const auto table = commands();
    if (const char* typed = std::getenv("COMP_LINE");
        typed != nullptr && line.size() == 4 && line[0] == "complete") {
        std::fputs(completions(table, typed).c_str(), stdout);
        return 0;
    }
    KSMS_TRY(const auto call, find_command(table, line));
    const auto own = call.command != nullptr ? call.command->options : std::span<const Option>();
    KSMS_TRY(const auto arguments, parse_arguments(own, line));
    KSMS_TRY(const auto options, read_global_options(arguments));
    if (options.version)
        return print_information(options, "ksms.version/1", "version", version_text());
    if (options.help || call.help)
        return print_information(options, "ksms.help/1", "text", help_text(table, call.topic));
    if (call.command == nullptr)
        return fail(Code::usage,
                    call.topic.empty() ? "there is no command" : call.topic + " needs a command",
                    call.topic.empty() ? "ksmsctl help" : "ksmsctl help " + call.topic);
    KSMS_CHECK(check_words(*call.command, arguments));
    return run_command(*call.command, options, arguments, stop);
}

}  // namespace

int cli_main(int argc, char** argv) {
    const auto& stop = catch_signals();
    raise_descriptor_limit();
    const Line line(argv + std::min(argc, 1), argv + argc);
    Result<int> status = 0;
    try {
        status = dispatch(line, stop);
    } catch (const std::exception& exception) {
        status = fail(Code::failed, exception.what());
    }
    if (status) return *status;
    const auto& error = status.error();
    const auto result = exit_status(error, stop.load());
    if (error.err == EPIPE) return result;
    GlobalOptions options;
    options.json = wants_json(line);
    Console console(options);
    console.error(error);
    if (options.json) console.error_document(error);
    return result;
}

}  // namespace ksms
