// SPDX-License-Identifier: BSD-2-Clause
// "Did you mean": finds the known word that is closest to a misspelt one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ksms {

/// The number of insertions, deletions, replacements and swaps of adjacent characters that turn one
/// into the other (optimal string alignment distance).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The closest of `known`, the first of several; "" if none is close (at most one difference per
/// three letters, three in all) or the word is longer than 64 bytes.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> known);

/// "did you mean scan?", or "" if no word is close.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace ksms
