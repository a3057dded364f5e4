// SPDX-License-Identifier: BSD-2-Clause
#include "request/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cctype>
#include <cmath>
#include <ranges>

#include "base/nearest.hpp"
#include "base/text.hpp"

namespace ksms {
namespace {

namespace po = boost::program_options;

constexpr Option kGlobal[] = {
    {"json,j", nullptr, "print one JSON document"},
    {"pretty,p", nullptr, "the same, indented"},
    {"verbose,v", nullptr, "print more; can be repeated", true},
    {"quiet,q", nullptr, "print no warnings, hints or progress"},
    {"color", "auto|always|never", "colour; NO_COLOR also turns it off"},
    {"config", "FILE", "configuration file (/etc/ksms/config.json)"},
    {"output,o", "FILE", "write the result to FILE, complete or not at all"},
    {"pin-root", "DIR", "directory of the pinned maps; also KSMS_PIN_ROOT"},
    {"version,V", nullptr, "print the version"},
    {"help,h", nullptr, "print this help"},
};

char short_name(const Option& option) {
    const std::string_view names = option.names;
    const auto comma = names.find(',');
    return comma == std::string_view::npos ? '\0' : names[comma + 1];
}

/// The options of the command and the global ones.
std::vector<Option> known_options(std::span<const Option> own) {
    std::vector<Option> all(own.begin(), own.end());
    all.insert(all.end(), std::begin(kGlobal), std::end(kGlobal));
    return all;
}

/// The word without dashes and value: "--prots=22" -> "prots".
std::string bare(std::string word) {
    word.erase(0, std::min(word.find_first_not_of('-'), word.size()));
    return word.substr(0, word.find('='));
}

/// The option as written, without its value: "-p80", "--prots".
std::string as_written(const std::string& name, const std::vector<std::string>& line) {
    for (const auto& word : line)
        if (word.starts_with('-') && bare(word) == name) return word.substr(0, word.find('='));
    return (name.size() == 1 ? "-" : "--") + name;
}

/// "--prots", or "-x" for a single letter.
std::string dashed(const std::string& name) {
    return (name.size() == 1 ? "-" : "--") + name;
}

std::string hint_for_unknown(const std::string& name, std::span<const Option> known,
                             const std::vector<std::string>& line) {
    for (const auto& word : line)
        if (word.size() > 2 && word.starts_with("-p") &&
            std::isdigit(static_cast<unsigned char>(word[2])) != 0)
            return "did you mean -P " + word.substr(2) + "? (-p is --pretty)";
    std::vector<std::string> names;
    for (const auto& option : known) {
        const char letter = short_name(option);
        if (name.size() == 1 && letter != '\0' && std::tolower(letter) == std::tolower(name[0]))
            return fmt::format("did you mean -{} (--{})?", letter, long_name(option));
        if (option.help != nullptr) names.push_back(long_name(option));
    }
    const auto found = nearest(name, names);
    return found.empty() ? "" : fmt::format("did you mean --{}?", found);
}

/// "-s needs a value (IP)"
std::string missing_value(const std::string& name, std::span<const Option> known) {
    for (const auto& option : known) {
        if (name != long_name(option) && name != std::string(1, short_name(option))) continue;
        if (option.value == nullptr) return fmt::format("{} takes no value", dashed(name));
        return fmt::format("{} needs a value ({})", dashed(name), option.value);
    }
    return fmt::format("{} needs a value", dashed(name));
}

/// Reads the value of an option.
template <typename T, typename Read>
Result<std::optional<T>> value_of(const std::string& option, const std::optional<std::string>& text,
                                  Read read) {
    if (!text) return std::nullopt;
    const std::expected<T, std::string> value = read(*text);
    if (value) return *value;
    return fail(Code::usage, fmt::format("--{} {}: not {}", option, *text, value.error()));
}

}  // namespace

std::expected<std::uint64_t, std::string> read_whole(const std::string& text, std::uint64_t least,
                                                     std::uint64_t most) {
    const auto number = parse_number<std::uint64_t>(text);
    if (number && *number >= least && *number <= most) return *number;
    return std::unexpected(fmt::format("a whole number from {} to {}", least, most));
}

std::expected<std::chrono::nanoseconds, std::string> read_seconds(const std::string& text,
                                                                  double least, double most) {
    const auto number = parse_number<double>(text);
    if (number && std::isfinite(*number) && *number >= least && *number <= most)
        return std::chrono::nanoseconds(std::llround(*number * 1e9));
    return std::unexpected(fmt::format("seconds from {} to {}", least, most));
}

std::string long_name(const Option& option) {
    const std::string_view names = option.names;
    return std::string(names.substr(0, names.find(',')));
}

std::vector<std::string> choices_in(std::string_view value) {
    std::vector<std::string> words;
    for (const auto word : std::views::split(value.substr(0, value.find('[')), '|'))
        words.emplace_back(word.begin(), word.end());
    return words;
}

std::span<const Option> global_options() {
    return kGlobal;
}

std::optional<std::string> Arguments::text(const std::string& option) const {
    const auto found = given_.find(option);
    if (found == given_.end() || found->second.empty()) return std::nullopt;
    return found->second.back();
}

std::vector<std::string> Arguments::all(const std::string& option) const {
    const auto found = given_.find(option);
    return found == given_.end() ? std::vector<std::string>() : found->second;
}

Result<std::optional<std::uint64_t>> Arguments::number(const std::string& option,
                                                       std::uint64_t least,
                                                       std::uint64_t most) const {
    return value_of<std::uint64_t>(option, text(option), [&](const std::string& value) {
        return read_whole(value, least, most);
    });
}

Result<std::optional<std::chrono::nanoseconds>> Arguments::seconds(const std::string& option,
                                                                   double least,
                                                                   double most) const {
    return value_of<std::chrono::nanoseconds>(option, text(option), [&](const std::string& value) {
        return read_seconds(value, least, most);
    });
}

Result<Arguments> parse_arguments(std::span<const Option> own,
                                  const std::vector<std::string>& line) {
    const auto known = known_options(own);
    po::options_description description;
    for (const auto& option : known) {
        if (option.value == nullptr)
            description.add_options()(option.names, "");
        else
            description.add_options()(option.names, po::value<std::string>(), "");
    }
    const auto dashes = std::ranges::find(line, "--");
    const std::vector<std::string> before(line.begin(), dashes);
    Arguments arguments;
    if (dashes != line.end()) arguments.rest.assign(dashes + 1, line.end());

    namespace style = po::command_line_style;
    po::parsed_options parsed(&description);
    try {
        parsed =
            po::command_line_parser(before).options(description).style(style::unix_style).run();
    } catch (const po::ambiguous_option& error) {
        auto names = error.alternatives();
        std::ranges::sort(names);
        names.erase(std::ranges::unique(names).begin(), names.end());
        for (auto& name : names) name = "--" + name;
        const auto name = bare(error.get_option_name());
        return fail(Code::usage, fmt::format("{}: this may be {}", as_written(name, before),
                                             fmt::join(names, " or ")));
    } catch (const po::unknown_option& error) {
        const auto name = bare(error.get_option_name());
        return fail(Code::usage,
                    fmt::format("{}: there is no such option", as_written(name, before)),
                    hint_for_unknown(name, known, before));
    } catch (const po::error_with_option_name& error) {
        return fail(Code::usage, missing_value(bare(error.get_option_name()), known));
    } catch (const po::error& error) {
        return fail(Code::usage, error.what());
    }

    for (auto& item : parsed.options) {
        if (item.string_key.empty()) {
            for (auto& word : item.value) arguments.words.push_back(std::move(word));
            continue;
        }
        const auto option = std::ranges::find_if(known, [&](const Option& each) {
            return bare(item.string_key) == long_name(each) ||
                   bare(item.string_key) == std::string(1, short_name(each));
        });
        const auto name = long_name(*option);
        auto& values = arguments.given_[name];
        if (!values.empty() && !option->repeatable && option->value != nullptr)
            return fail(Code::usage, fmt::format("--{} is given twice: {} and {}", name,
                                                 values.front(), item.value.front()));
        values.push_back(item.value.empty() ? std::string() : std::move(item.value.front()));
    }
    return arguments;
}

Result<GlobalOptions> read_global_options(const Arguments& arguments) {
    GlobalOptions options;
    options.pretty = arguments.has("pretty");
    options.json = options.pretty || arguments.has("json");
    options.quiet = arguments.has("quiet");
    options.version = arguments.has("version");
    options.help = arguments.has("help");
    options.verbose = static_cast<unsigned>(arguments.all("verbose").size());
    options.config = arguments.text("config").value_or("");
    options.output = arguments.text("output").value_or("");
    options.pin_root = arguments.text("pin-root").value_or("");
    for (const auto* name : {"config", "output", "pin-root"})
        if (arguments.has(name) && arguments.text(name)->empty())
            return fail(Code::usage, fmt::format("--{} needs a value", name));
    const auto color = arguments.text("color").value_or("auto");
    if (color == "always")
        options.color = Color::always;
    else if (color == "never")
        options.color = Color::never;
    else if (color != "auto")
        return fail(Code::usage, fmt::format("--color {}: not auto, always or never", color));
    return options;
}

bool wants_json(const std::vector<std::string>& line) {
    for (const auto& word : line) {
        if (word == "--") return false;
        constexpr std::size_t shortest = 4;  // of an unambiguous abbreviation: "--js"
        const bool abbreviated =
            word.size() >= shortest && (std::string_view("--json").starts_with(word) ||
                                        std::string_view("--pretty").starts_with(word));
        if (abbreviated) return true;
        if (word.size() < 2 || word[0] != '-' || word[1] == '-') continue;
        // A bundle of switches ends at the first letter of an option with a value.
        const auto letters = word.substr(1, word.find_first_not_of("jpvqVh", 1) - 1);
        if (letters.find_first_of("jp") != std::string::npos) return true;
    }
    return false;
}

std::string options_help(std::span<const Option> options) {
    constexpr std::size_t kColumn = 30;
    std::string text;
    for (const auto& option : options) {
        if (option.help == nullptr) continue;
        const char letter = short_name(option);
        auto line = letter == '\0' ? std::string("      ") : fmt::format("  -{}, ", letter);
        line += "--" + long_name(option);
        if (option.value != nullptr) line += fmt::format(" {}", option.value);
        if (line.size() >= kColumn) line += "\n";
        const auto used = line.ends_with('\n') ? 0 : line.size();
        text += line + std::string(kColumn - used, ' ') + option.help + "\n";
    }
    return text;
}

}  // namespace ksms
