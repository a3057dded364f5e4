// SPDX-License-Identifier: BSD-2-Clause
// Columns, wrapping and lists for text output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/service.hpp"
#include "base/text.hpp"

namespace ksms {

constexpr std::size_t kWidestText = 100;  // columns without a terminal

/// Width in columns: the number of UTF-8 code points.
[[nodiscard]] std::size_t width_of(std::string_view text);
/// Padded with spaces on the right.
[[nodiscard]] std::string padded(std::string_view text, std::size_t width);
/// Lines of at most `width` columns, broken at spaces. Breaks a word only if it is longer than a
/// line.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t width);
/// The same as one text, with `indent` spaces before every line but the first.
[[nodiscard]] std::string wrapped_text(std::string_view text, std::size_t width,
                                       std::size_t indent);

/// "22/tcp", "8000-8099/tcp".
[[nodiscard]] std::string service_text(const Service& first, std::size_t count = 1);
/// Joins consecutive ports of a protocol: "22/tcp", "8000-8099/tcp".
[[nodiscard]] std::vector<std::string> service_ranges(const std::vector<Service>& services);
/// "a, b, c"
[[nodiscard]] std::string joined(const std::vector<std::string>& parts, std::string_view between);

/// A table with headings. Columns are as wide as their widest cell and separated by two spaces. A
/// table that is too wide is folded: first cells at spaces, then all rows after the same column.
class Table {
public:
    explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
    /// Adds a row. Cells are made printable().
    void add(std::vector<std::string> row);
    [[nodiscard]] std::string text(std::size_t width) const;

private:
    /// The widths of the columns for a text of this width.
    [[nodiscard]] std::vector<std::size_t> columns(std::size_t width) const;

    std::vector<std::vector<std::string>> rows_;
};

}  // namespace ksms
