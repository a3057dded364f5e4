// SPDX-License-Identifier: BSD-2-Clause
// The help and docs/usage.md against the tables of options.
#include "cli/help.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <regex>

#include "cli/complete.hpp"
#include "request/fields.hpp"

using namespace ksms;

namespace {

bool is_known(const std::string& name) {
    const auto has = [&](std::span<const Option> options) {
        return std::ranges::any_of(options,
                                   [&](const Option& option) { return long_name(option) == name; });
    };
    return has(global_options()) || std::ranges::any_of(commands(), [&](const Command& command) {
               return has(command.options);
           });
}

/// Our options that a line of usage.md names: `--mode isolated`, or after ksmsctl in an example,
/// without comments and arguments of other programs.
std::vector<std::string> named_in(const std::string& line) {
    const bool example = line.starts_with("    ");
    const auto program = line.find("ksmsctl ");
    if (example && program == std::string::npos) return {};
    auto text = example ? line.substr(program) : line;
    for (const char* end : {" -- ", " # "}) text = text.substr(0, text.find(end));
    const std::regex option(example ? "[ \\[]--([a-z-]+)" : "`--([a-z-]+)");
    std::vector<std::string> names;
    for (std::sregex_iterator at(text.begin(), text.end(), option), none; at != none; ++at)
        names.push_back((*at)[1]);
    return names;
}

}  // namespace

TEST_CASE("help: a command's help lists its fields") {
    for (const auto& [place, command] :
         {std::pair(in_scan, "scan"), {in_explain, "explain"}, {in_submit, "job submit"}}) {
        const auto help = help_text(commands(), command);
        for (const auto& field : fields()) {
            const auto name = field.name();
            if (place == in_submit && name == "wait")
                continue;  // --wait of submit is another option
            INFO(command << " --" << name);
            const bool shown = std::regex_search(help, std::regex("--" + name + "[ \n]"));
            CHECK(shown == ((field.places & place) != 0 && field.help != nullptr));
        }
    }
    CHECK(help_text(commands(), "explain").find("at most 16 services") != std::string::npos);
}

TEST_CASE("help: every option named in docs/usage.md exists") {
    std::ifstream usage(KSMS_SOURCE_DIR "/docs/usage.md");
    std::size_t count = 0;
    for (std::string line; std::getline(usage, line);)
        for (const auto& name : named_in(line)) {
            INFO("--" << name << " in: " << line);
            CHECK((is_known(name) || name == "dest"));  // an abbreviation
            ++count;
        }
    CHECK(count > 30);
}

TEST_CASE("help: shell completion") {
    const auto of = [](const char* line) { return completions(commands(), line); };
    CHECK(of("ksmsctl sc") == "scan\n");
    CHECK(of("ksmsctl ").find("registry\n") != std::string::npos);
    CHECK(of("ksmsctl registry rel") == "release\n");
    CHECK(of("ksmsctl job submit --ent") == "--entry-only\n");
    CHECK(of("ksmsctl scan -s 10.0.0.1 --mode ") == "path\nisolated\n");
    CHECK(of("ksmsctl scan --fail-on u") == "unknown\n");
    CHECK(of("ksmsctl scan --source ").empty());
    CHECK(of("ksmsctl scan --max-").empty());  // hidden option
    CHECK(of("ksmsctl scan --pre") == "--pretty\n");
    for (const char* nothing : {"", " ", "ksmsctl bananas ", "ksmsctl scan 80"})
        CHECK(of(nothing).find("--") == std::string::npos);
}
