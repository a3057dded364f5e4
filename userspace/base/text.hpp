// SPDX-License-Identifier: BSD-2-Clause
// Names that others gave, shown: a name of a namespace, an interface, a chain or a job is bytes,
// and none of them may steer a terminal, look like another line, or break a document.
#pragma once

#include <string>
#include <string_view>

namespace ksms {

/// Without those characters at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text, std::string_view blanks = " \t");

/// One line of text as a terminal may have it. Escaped, each byte as \xNN: what is not UTF-8;
/// control characters (U+0000 to U+001F, U+007F to U+009F); line separators (U+2028, U+2029); what
/// turns the direction of writing (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069).
[[nodiscard]] std::string printable(std::string_view text);

/// What JSON can hold: bytes that are not UTF-8 as \xNN (in JSON "\\xNN"), all others as they are.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// A string of JSON, with its quotes. Whatever printable() escapes is \uNNNN, so that whoever
/// parses it gets it back; bytes that are not UTF-8 are those of valid_utf8().
[[nodiscard]] std::string json_string(std::string_view text);

/// The same document without any character in its strings that printable() escapes.
/// @param document  JSON, valid UTF-8
[[nodiscard]] std::string printable_json(std::string_view document);

/// Text of several lines as printable() has each of them; newlines stay.
/// @param colored  so do the sequences for red, green, yellow and the end of a colour
[[nodiscard]] std::string printable_lines(std::string_view text, bool colored);

}  // namespace ksms
