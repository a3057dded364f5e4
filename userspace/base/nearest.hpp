// SPDX-License-Identifier: BSD-2-Clause
// "Did you mean": the known word that a misspelt one is closest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ksms {

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other
/// (optimal string alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The closest of `known`, the first of several; "" where none is close (at most one difference for
/// three letters, at most three in all) or the word is longer than 64 bytes.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> known);

/// "did you mean scan?", or "" where nothing is close.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace ksms
