// SPDX-License-Identifier: BSD-2-Clause
#include "cli/help.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ksms {
namespace {

std::string command_list(const std::vector<Command>& table, const std::string& beginning) {
    std::string text;
    for (const auto& command : table)
        if (std::string_view(command.name).starts_with(beginning))
            text += fmt::format("  {:<20}{}\n", command.name, command.summary);
    return text;
}

std::string everything(const std::vector<Command>& table) {
    return "ksmsctl [GLOBAL OPTIONS] COMMAND [ARGUMENTS]\n\n"
           "Reports which services get from A to B, router by router, and what stops the "
           "others.\n\n"
           "Commands\n" +
           command_list(table, "") +
           "  help COMMAND        Describe a command\n\n"
           "Global options, before or after the command\n" +
           options_help(global_options()) +
           "\nA namespace (NETNS) is a name of `ip netns`, pid:N, a path such as /proc/N/ns/net, "
           "or host.";
}

constexpr const char* kOfHelp =
    "ksmsctl help [COMMAND]\n\nDescribes a command and its options, or lists all commands.";

std::string one(const Command& command) {
    auto text =
        fmt::format("ksmsctl {} {}\n\n{}.\n", command.name, command.synopsis, command.summary);
    if (!command.options.empty()) text += "\nOptions\n" + options_help(command.options);
    return text + "\nGlobal options\n" + options_help(global_options());
}

}  // namespace

bool has_help(const std::vector<Command>& table, const std::string& topic) {
    return topic == "help" || std::ranges::any_of(table, [&](const Command& command) {
               return command.name == topic ||
                      std::string_view(command.name).starts_with(topic + " ");
           });
}

std::vector<std::string> command_words(const std::vector<Command>& table,
                                       const std::string& group) {
    std::vector<std::string> words;
    for (const auto& command : table) {
        std::string name = command.name;
        if (!group.empty()) {
            if (!name.starts_with(group + " ")) continue;
            name.erase(0, group.size() + 1);
        }
        const auto word = name.substr(0, name.find(' '));
        if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    if (group.empty()) words.emplace_back("help");
    return words;
}

std::string help_text(const std::vector<Command>& table, const std::string& topic) {
    std::string text;
    if (topic.empty()) {
        text = everything(table);
    } else if (topic == "help") {
        text = kOfHelp;
    } else if (const auto found = std::ranges::find(table, topic, &Command::name);
               found != table.end()) {
        text = one(*found);
    } else {
        text = fmt::format("ksmsctl {} COMMAND\n\n{}", topic, command_list(table, topic + " "));
    }
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

std::string version_text() {
    return "ksmsctl " KSMS_VERSION;
}

}  // namespace ksms
