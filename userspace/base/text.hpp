// SPDX-License-Identifier: BSD-2-Clause
// Safe output of foreign names. The names of namespaces, interfaces, chains and jobs are arbitrary
// bytes; they must not control the terminal, forge lines or break documents.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace ksms {

/// The number that the whole text is; nothing for any other text, or if T cannot hold it.
template <typename T>
[[nodiscard]] std::optional<T> parse_number(std::string_view text) {
    T number{};
    const auto* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    return error == std::errc() && end == last ? std::optional(number) : std::nullopt;
}

/// The text without these characters at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text, std::string_view blanks = " \t");

/// One line of text that is safe for a terminal. Escapes the bytes of these as \xNN: invalid UTF-8;
/// control characters (U+0000 to U+001F, U+007F to U+009F); line separators (U+2028, U+2029);
/// bidirectional controls (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069).
[[nodiscard]] std::string printable(std::string_view text);

/// The text with invalid UTF-8 escaped as \xNN (in JSON "\\xNN"), otherwise unchanged.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// A JSON string with its quotes. Characters that printable() escapes become \uNNNN, so that a
/// parser restores them; invalid UTF-8 becomes the text of valid_utf8().
[[nodiscard]] std::string json_string(std::string_view text);

/// The same document with \uNNNN for the characters that printable() escapes.
/// @param document  JSON, valid UTF-8
[[nodiscard]] std::string printable_json(std::string_view document);

/// printable() for each line of a text.
/// @param colored  keep the sequences for red, green, yellow and default colour
[[nodiscard]] std::string printable_lines(std::string_view text, bool colored);

}  // namespace ksms
