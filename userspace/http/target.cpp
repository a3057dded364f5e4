// SPDX-License-Identifier: BSD-2-Clause
#include "http/target.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "http/message.hpp"
#include "http/problem.hpp"

namespace ksms {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Decodes percent-encoding. "+" stays "+".
std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (!is_plain_text(out)) return std::nullopt;
    return out;
}

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (std::size_t start = 0; start <= text.size();) {
        const auto end = std::min(text.find(at, start), text.size());
        parts.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

std::unexpected<Problem> refuse() {
    return std::unexpected(make_problem(400, "the target of the request is malformed"));
}

}  // namespace

bool is_plain_text(std::string_view text) {
    const auto steers = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
    return std::ranges::none_of(text, steers) && valid_utf8(text) == text;
}

Answer<HttpTarget> parse_target(std::string_view target) {
    HttpTarget parsed;
    if (constexpr std::string_view scheme = "http://";
        same_token(target.substr(0, scheme.size()), scheme)) {
        target.remove_prefix(scheme.size());
        const auto end = std::min(target.find_first_of("/?"), target.size());
        parsed.authority = target.substr(0, end);
        target.remove_prefix(end);
        if (parsed.authority.empty()) return refuse();
    }
    const auto question = std::min(target.find('?'), target.size());
    const auto path = target.substr(0, question);
    parsed.path = path.empty() && !parsed.authority.empty() ? "/" : path;
    if (!parsed.path.starts_with('/') || parsed.path.find('#') != std::string::npos)
        return refuse();
    if (parsed.path != "/") {
        for (const auto segment : split(std::string_view(parsed.path).substr(1), '/')) {
            auto text = decoded(segment);
            if (!text) return refuse();
            parsed.segments.push_back(std::move(*text));
        }
    }
    if (question + 1 >= target.size()) return parsed;
    for (const auto pair : split(target.substr(question + 1), '&')) {
        const auto equals = std::min(pair.find('='), pair.size());
        auto name = decoded(pair.substr(0, equals));
        auto value = decoded(equals < pair.size() ? pair.substr(equals + 1) : "");
        if (!name || !value) return refuse();
        parsed.query.emplace_back(std::move(*name), std::move(*value));
    }
    return parsed;
}

}  // namespace ksms
