// SPDX-License-Identifier: BSD-2-Clause
// Columns, lines and lists for texts that a person reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/service.hpp"
#include "base/text.hpp"

namespace ksms {

constexpr std::size_t kWidestText = 100;  // columns, where no terminal says otherwise

/// Columns that it takes: code points of UTF-8.
[[nodiscard]] std::size_t width_of(std::string_view text);
/// Filled up with spaces on the right.
[[nodiscard]] std::string padded(std::string_view text, std::size_t width);
/// Lines of at most `width` columns, broken at spaces, within a word only where it is longer.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t width);
/// The same as one text, with `indent` spaces before every line but the first.
[[nodiscard]] std::string wrapped_text(std::string_view text, std::size_t width,
                                       std::size_t indent);

/// "22/tcp", "8000-8099/tcp".
[[nodiscard]] std::string service_text(const Service& first, std::size_t count = 1);
/// Neighbours of one protocol joined: "22/tcp", "8000-8099/tcp".
[[nodiscard]] std::vector<std::string> service_ranges(const std::vector<Service>& services);
/// "a, b, c"
[[nodiscard]] std::string joined(const std::vector<std::string>& parts, std::string_view between);

/// Rows under headings, every column as wide as its widest cell, two spaces between. What is wider
/// than the text may be is folded: cells at their spaces first, then all rows after the same
/// column.
class Table {
public:
    explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
    /// Each cell is made printable().
    void add(std::vector<std::string> row);
    [[nodiscard]] std::string text(std::size_t width) const;

private:
    /// How wide each column is, for a text of this width.
    [[nodiscard]] std::vector<std::size_t> columns(std::size_t width) const;

    std::vector<std::vector<std::string>> rows_;
};

}  // namespace ksms
