// SPDX-License-Identifier: BSD-2-Clause
// The words of a command line, checked against the options that a command declares.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace ksms {

struct Option {
    const char* names;  ///< "source,s"; "force"
    const char* value;  ///< what stands for the value in the help; nullptr: a switch
    const char* help;   ///< one line; nullptr: not shown
    bool repeatable{false};
};

/// The words of what stands for a value: tcp and udp of "tcp|udp"; one word where there is no
/// choice.
[[nodiscard]] std::vector<std::string> choices_in(std::string_view value);

enum class Color { automatic, always, never };

/// A whole number from `least` to `most`, or what the text is not: "a whole number from 0 to 9".
[[nodiscard]] std::expected<std::uint64_t, std::string> read_whole(const std::string& text,
                                                                   std::uint64_t least,
                                                                   std::uint64_t most);
/// Seconds ("2", "0.25", "1e-1"), or what the text is not: "seconds from 0 to 9".
[[nodiscard]] std::expected<std::chrono::nanoseconds, std::string> read_seconds(
    const std::string& text, double least, double most);

/// "source" of "source,s".
[[nodiscard]] std::string long_name(const Option& option);

/// The options of every command.
struct GlobalOptions {
    bool json{false}, pretty{false}, quiet{false}, version{false}, help{false};
    unsigned verbose{0};
    Color color{Color::automatic};
    std::string config, output, pin_root;
};
[[nodiscard]] std::span<const Option> global_options();

/// What was said to one command. Every option is one that it declared.
class Arguments {
public:
    [[nodiscard]] bool has(const std::string& option) const { return given_.contains(option); }
    /// The value, none where the option was not given.
    [[nodiscard]] std::optional<std::string> text(const std::string& option) const;
    /// Of an option that can be repeated.
    [[nodiscard]] std::vector<std::string> all(const std::string& option) const;

    /// As read_whole(); Code::usage naming option, value and range.
    [[nodiscard]] Result<std::optional<std::uint64_t>> number(const std::string& option,
                                                              std::uint64_t least,
                                                              std::uint64_t most) const;
    /// As read_seconds().
    [[nodiscard]] Result<std::optional<std::chrono::nanoseconds>> seconds(const std::string& option,
                                                                          double least,
                                                                          double most) const;

    std::vector<std::string> words;  ///< what is no option
    std::vector<std::string> rest;   ///< what stands behind "--"

private:
    friend Result<Arguments> parse_arguments(std::span<const Option> own,
                                             const std::vector<std::string>& line);
    std::map<std::string, std::vector<std::string>> given_;  ///< by the long name
};

/// A long option may be abbreviated as long as one option alone begins so.
/// @param own   the command's options; the global ones are known beside them
/// @param line  without the command itself
/// @return Code::usage that names the option and the value, and the nearest option as the hint
Result<Arguments> parse_arguments(std::span<const Option> own,
                                  const std::vector<std::string>& line);

/// The global options among the arguments; Code::usage for a --color that is none.
Result<GlobalOptions> read_global_options(const Arguments& arguments);

/// Is a JSON document wanted, as far as a line can be understood that may be wrong?
[[nodiscard]] bool wants_json(const std::vector<std::string>& line);

/// "  -s, --source IP    IPv4 or IPv6" for each that is shown.
[[nodiscard]] std::string options_help(std::span<const Option> options);

}  // namespace ksms
