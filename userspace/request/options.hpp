// SPDX-License-Identifier: BSD-2-Clause
// Parses a command line by the options that a command declares.
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
    const char* value;  ///< placeholder of the value in the help; nullptr: a switch
    const char* help;   ///< one line; nullptr: not shown
    bool repeatable{false};
};

/// The choices in the placeholder of a value: "tcp" and "udp" of "tcp|udp"; a single word if there
/// is no choice.
[[nodiscard]] std::vector<std::string> choices_in(std::string_view value);

enum class Color { automatic, always, never };

/// A whole number from `least` to `most`. The error is what was expected: "a whole number from 0 to
/// 9".
[[nodiscard]] std::expected<std::uint64_t, std::string> read_whole(const std::string& text,
                                                                   std::uint64_t least,
                                                                   std::uint64_t most);
/// Seconds ("2", "0.25", "1e-1"). The error is what was expected: "seconds from 0 to 9".
[[nodiscard]] std::expected<std::chrono::nanoseconds, std::string> read_seconds(
    const std::string& text, double least, double most);

/// "source" of "source,s".
[[nodiscard]] std::string long_name(const Option& option);

/// The options that every command has.
struct GlobalOptions {
    bool json{false}, pretty{false}, quiet{false}, version{false}, help{false};
    unsigned verbose{0};
    Color color{Color::automatic};
    std::string config, output, pin_root;
};
[[nodiscard]] std::span<const Option> global_options();

/// The parsed arguments of a command.
class Arguments {
public:
    [[nodiscard]] bool has(const std::string& option) const { return given_.contains(option); }
    /// The value; none if the option was not given.
    [[nodiscard]] std::optional<std::string> text(const std::string& option) const;
    /// The values of a repeatable option.
    [[nodiscard]] std::vector<std::string> all(const std::string& option) const;

    /// read_whole() of the value; Code::usage naming option, value and range.
    [[nodiscard]] Result<std::optional<std::uint64_t>> number(const std::string& option,
                                                              std::uint64_t least,
                                                              std::uint64_t most) const;
    /// read_seconds() of the value.
    [[nodiscard]] Result<std::optional<std::chrono::nanoseconds>> seconds(const std::string& option,
                                                                          double least,
                                                                          double most) const;

    std::vector<std::string> words;  ///< arguments that are not options
    std::vector<std::string> rest;   ///< arguments after "--"

private:
    friend Result<Arguments> parse_arguments(std::span<const Option> own,
                                             const std::vector<std::string>& line);
    std::map<std::string, std::vector<std::string>> given_;  ///< by the long name
};

/// Long options may be abbreviated if that is unambiguous.
/// @param own   the options of the command; the global ones are known too
/// @param line  without the command itself
/// @return Code::usage naming the option and the value, with the nearest option as the hint
Result<Arguments> parse_arguments(std::span<const Option> own,
                                  const std::vector<std::string>& line);

/// The global options among the arguments; Code::usage for an invalid --color.
Result<GlobalOptions> read_global_options(const Arguments& arguments);

/// Whether a line asks for a JSON document, as far as can be told from a line that may be invalid.
[[nodiscard]] bool wants_json(const std::vector<std::string>& line);

/// "  -s, --source IP    IPv4 or IPv6" for each option that has help.
[[nodiscard]] std::string options_help(std::span<const Option> options);

}  // namespace ksms
