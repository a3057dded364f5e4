// SPDX-License-Identifier: BSD-2-Clause
#include "config/json_lines.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace ksms {
namespace {

/// The end of the string literal that begins at `at`, after its closing quote.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    return std::min(at + 1, text.size());
}

/// The value of a string literal; a key may contain escapes ("ksm\u0073").
std::string string_of(std::string_view literal) {
    if (literal.find('\\') == std::string_view::npos)
        return std::string(literal.substr(1, literal.size() - 2));
    return nlohmann::json::parse(literal).get<std::string>();
}

bool is_key(std::string_view text, std::size_t behind_string) {
    const auto next = text.find_first_not_of(" \t\r\n", behind_string);
    return next != std::string_view::npos && text[next] == ':';
}

}  // namespace

JsonLines::JsonLines(std::string_view text) {
    struct Level {
        std::string key;            ///< present key; "" inside an array
        std::set<std::string> had;  ///< keys of this object so far
    };
    std::vector<Level> levels;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '{' || c == '[') levels.emplace_back();
        if ((c == '}' || c == ']') && !levels.empty()) levels.pop_back();
        if (c != '"') continue;
        const auto end = end_of_string(text, at);
        if (is_key(text, end) && !levels.empty()) {
            auto& object = levels.back();
            object.key = string_of(text.substr(at, end - at));
            std::string path;
            for (const auto& level : levels) path += (path.empty() ? "" : ".") + level.key;
            const auto line = line_of(text, at);
            lines_.emplace(path, line);
            if (!object.had.insert(object.key).second) repeated_.push_back({path, line});
        }
        at = end - 1;
    }
}

std::size_t JsonLines::of(const std::string& path) const {
    const auto found = lines_.find(path);
    return found == lines_.end() ? 0 : found->second;
}

std::size_t JsonLines::line_of(std::string_view text, std::size_t at) {
    const auto before = text.substr(0, at);
    return 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
}

}  // namespace ksms
