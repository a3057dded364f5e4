// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace ksms {
namespace {

/// The beginning of a text: a code point, or an invalid byte.
struct Unit {
    std::size_t size{1};
    char32_t code{0};
    bool valid{false};
};

/// RFC 3629, section 4: shortest forms only, no surrogates, nothing above U+10FFFF.
Unit first_of(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
    const auto lead = byte(0);
    if (lead < 0x80) return {1, lead, true};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
    char32_t code = lead & (0xffu >> (size + 1));
    for (std::size_t at = 1; at < size; ++at) {
        if ((byte(at) & 0xc0) != 0x80) return {};
        code = code << 6 | (byte(at) & 0x3fu);
    }
    static constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
    return {size, code, true};
}

bool steers(char32_t code) {
    struct Range {
        char32_t first, last;
    };
    static constexpr Range ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x61c, 0x61c},
                                       {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
    return std::ranges::any_of(
        ranges, [code](const Range& range) { return code >= range.first && code <= range.last; });
}

void escape_bytes(std::string_view bytes, std::string& to) {
    for (const char byte : bytes)
        fmt::format_to(std::back_inserter(to), "\\x{:02x}", static_cast<std::uint8_t>(byte));
}

/// @param each  gets each code point, as text and as number, and the text to append to
template <typename Each>
std::string rewritten(std::string_view text, const Each& each) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto unit = first_of(text);
        const auto piece = text.substr(0, unit.size);
        if (unit.valid)
            each(piece, unit.code, result);
        else
            escape_bytes(piece, result);
        text.remove_prefix(unit.size);
    }
    return result;
}

void escape_in_json(std::string_view piece, char32_t code, std::string& to) {
    if (code == '\n')
        to += "\\n";
    else if (steers(code))
        fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<std::uint32_t>(code));
    else
        to += piece;
}

/// The length of one of our colour sequences at the beginning (ECMA-48, SGR); 0: none.
std::size_t color_at(std::string_view text) {
    for (const std::string_view color : {"\x1b[0m", "\x1b[31m", "\x1b[32m", "\x1b[33m"})
        if (text.starts_with(color)) return color.size();
    return 0;
}

}  // namespace

std::string_view trimmed(std::string_view text, std::string_view blanks) {
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string printable(std::string_view text) {
    return rewritten(text, [](std::string_view piece, char32_t code, std::string& to) {
        if (steers(code))
            escape_bytes(piece, to);
        else
            to += piece;
    });
}

std::string valid_utf8(std::string_view text) {
    return rewritten(text, [](std::string_view piece, char32_t, std::string& to) { to += piece; });
}

std::string json_string(std::string_view text) {
    // valid_utf8() first: the backslashes that it adds must be escaped.
    return "\"" +
           rewritten(valid_utf8(text),
                     [](std::string_view piece, char32_t code, std::string& to) {
                         if (code == '"' || code == '\\') to += '\\';
                         escape_in_json(piece, code, to);
                     }) +
           "\"";
}

std::string printable_json(std::string_view document) {
    return rewritten(document, [](std::string_view piece, char32_t code, std::string& to) {
        // Characters below U+0020 are white space between tokens: JSON strings cannot contain them.
        if (code < 0x20)
            to += piece;
        else
            escape_in_json(piece, code, to);
    });
}

std::string printable_lines(std::string_view text, bool colored) {
    std::string result;
    while (!text.empty()) {
        if (const auto color = colored ? color_at(text) : 0; color > 0) {
            result += text.substr(0, color);
            text.remove_prefix(color);
            continue;
        }
        const auto end = std::min(text.find_first_of("\n\x1b", 1), text.size());
        const auto piece = text.substr(0, end);
        result += piece.starts_with('\n') ? "\n" + printable(piece.substr(1)) : printable(piece);
        text.remove_prefix(end);
    }
    return result;
}

}  // namespace ksms
