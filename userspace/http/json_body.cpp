// SPDX-License-Identifier: BSD-2-Clause
#include "http/json_body.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/json_excess.hpp"
#include "http/problem.hpp"

namespace ksms {
namespace {

/// @param offset  of the byte, from 0
std::string position(std::string_view text, std::size_t offset) {
    const auto before = text.substr(0, std::min(offset, text.size()));
    const auto lines = std::ranges::count(before, '\n') + 1;
    const auto newline = before.rfind('\n');
    const auto column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    return "line " + std::to_string(lines) + ", column " + std::to_string(column);
}

/// @return what must not reach the parser, and where; "": nothing
std::string too_much(std::string_view text) {
    const auto excess = json_excess(text, {.depth = deepest_json, .values = most_json_values});
    if (!excess) return {};
    const auto where = " at " + position(text, excess->at);
    switch (excess->what) {
        case JsonExcess::What::nul: return "a NUL" + where;
        case JsonExcess::What::depth:
            return "more than " + std::to_string(deepest_json) + " levels deep" + where;
        case JsonExcess::What::values: break;
    }
    return "more than " + std::to_string(most_json_values) + " values" + where;
}

/// Thrown by the parser's callback, which cannot stop the parser otherwise.
struct Refused {
    std::string why;
};

class Checks {
public:
    bool operator()(int /*depth*/, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
        using Event = nlohmann::json::parse_event_t;
        if (event == Event::object_start) {
            keys_.emplace_back();
        } else if (event == Event::object_end) {
            keys_.pop_back();
        } else if (event == Event::key || event == Event::value) {
            check_text(parsed);
        }
        if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second)
            throw Refused{"the key " + parsed.dump() + " is there twice"};
        return true;
    }

private:
    static void check_text(const nlohmann::json& parsed) {
        if (parsed.is_string() &&
            parsed.get_ref<const std::string&>().find('\0') != std::string::npos)
            throw Refused{"a text has a NUL in it: " + parsed.dump()};
    }
    std::vector<std::set<std::string>> keys_;  ///< of the objects that are open
};

std::unexpected<Problem> refuse(std::string detail) {
    return std::unexpected(make_problem(400, "the body is no request: " + std::move(detail)));
}

/// The library's message without its prefix "[json.exception.parse_error.101] … at line …: ".
std::string reason(const std::exception& error) {
    const std::string_view what = error.what();
    const auto start = what.find(": ");
    return std::string(start == std::string_view::npos ? what : what.substr(start + 2));
}

}  // namespace

Answer<nlohmann::json> parse_json_body(std::string_view text) {
    if (text.empty()) return refuse("it is empty, a JSON object is wanted");
    if (auto why = too_much(text); !why.empty()) return refuse(std::move(why));
    try {
        auto parsed = nlohmann::json::parse(text.begin(), text.end(), Checks());
        if (!parsed.is_object())
            return refuse(std::string("a JSON object is wanted, not ") + parsed.type_name());
        return parsed;
    } catch (const Refused& refused) {
        return refuse(refused.why);
    } catch (const nlohmann::json::parse_error& error) {
        return refuse("at " + position(text, error.byte > 0 ? error.byte - 1 : 0) + ": " +
                      reason(error));
    } catch (const nlohmann::json::exception& error) {  // a number out of range: 1e999
        return refuse(reason(error));
    }
}

}  // namespace ksms
