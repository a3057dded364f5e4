// SPDX-License-Identifier: BSD-2-Clause
#include "cli/complete.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "cli/help.hpp"

namespace ksms {
namespace {

std::vector<std::string> split(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words(std::istream_iterator<std::string>(stream), {});
    if (words.empty() || line.ends_with(' ')) words.emplace_back();
    return words;
}

/// @param previous  the word before, possibly an option that needs a value
std::vector<std::string> of_command(const Command& command, const std::string& previous) {
    std::vector<Option> options(command.options.begin(), command.options.end());
    std::ranges::copy(global_options(), std::back_inserter(options));
    std::vector<std::string> names;
    for (const auto& option : options) {
        const auto name = "--" + long_name(option);
        if (name == previous && option.value != nullptr) {
            auto words = choices_in(option.value);
            return words.size() > 1 ? words : std::vector<std::string>();
        }
        if (option.help != nullptr) names.push_back(name);
    }
    return names;
}

}  // namespace

std::string completions(const std::vector<Command>& table, const std::string& line) {
    const auto words = split(line);
    const auto word = [&](std::size_t at) {
        return at + 1 < words.size() ? words[at] : std::string();
    };
    auto command = std::ranges::find(table, word(1), &Command::name);
    if (command == table.end())
        command = std::ranges::find(table, word(1) + " " + word(2), &Command::name);
    const auto known = command == table.end() ? command_words(table, word(1))
                                              : of_command(*command, words[words.size() - 2]);
    std::string text;
    for (const auto& each : known)
        if (each.starts_with(words.back())) text += each + "\n";
    return text;
}

}  // namespace ksms
