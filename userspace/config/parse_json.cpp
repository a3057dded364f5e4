// SPDX-License-Identifier: BSD-2-Clause
#include "config/parse_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json_excess.hpp"
#include "config/json_lines.hpp"

namespace ksms {
namespace {

using nlohmann::json;

// Later recursive calls (json::dump) must fit the stack.
constexpr std::size_t kDeepest = 64;

/// The number in an error of the library: "… number overflow parsing '1e999'". The library does not
/// report its position.
std::string_view quoted_in(std::string_view text) {
    const auto begin = text.find('\''), end = text.rfind('\'');
    return begin == end ? std::string_view() : text.substr(begin + 1, end - begin - 1);
}

}  // namespace

Result<json> parse_json(std::string_view text, const std::string& name, const std::string& hint) {
    const auto wrong = [&](std::size_t at, const std::string& why) {
        return fail(Code::usage, fmt::format("{}:{}: {}", name, JsonLines::line_of(text, at), why),
                    hint);
    };
    if (const auto excess = json_excess(text, {.depth = kDeepest}))
        return wrong(excess->at, excess->what == JsonExcess::What::nul
                                     ? "this is not JSON"
                                     : fmt::format("nested deeper than {}", kDeepest));
    try {
        return json::parse(text);
    } catch (const json::parse_error& error) {
        return wrong(error.byte == 0 ? 0 : error.byte - 1, "this is not JSON");
    } catch (const json::exception& error) {
        const auto number = quoted_in(error.what());
        const auto at = number.empty() ? std::string_view::npos : text.find(number);
        if (at == std::string_view::npos) return wrong(0, error.what());
        return wrong(at, fmt::format("the number {} is too large", number));
    }
}

}  // namespace ksms
