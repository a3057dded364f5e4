// SPDX-License-Identifier: BSD-2-Clause
#include "output/layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace ksms {
namespace {

bool begins_code_point(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

/// Bytes of the first `columns` code points.
std::size_t bytes_of(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    for (std::size_t seen = 0; at < text.size(); ++at)
        if (begins_code_point(text[at]) && seen++ == columns) break;
    return at;
}

constexpr std::size_t kGap = 2;  // columns between two of a table

std::size_t longest_word(std::string_view text) {
    std::size_t longest = 0;
    for (std::size_t at = 0; at <= text.size();) {
        const auto space = std::min(text.find(' ', at), text.size());
        longest = std::max(longest, width_of(text.substr(at, space - at)));
        at = space + 1;
    }
    return longest;
}

/// Adds the columns [first, last) of a row, with as many lines as its highest cell needs. Folded
/// columns (first > 0) are indented.
void add_lines(const std::vector<std::string>& row, const std::vector<std::size_t>& widths,
               std::size_t first, std::size_t last, std::string& text) {
    std::vector<std::vector<std::string>> cells;
    std::size_t lines = first == 0 ? 1 : 0;
    for (auto i = first; i < last; ++i) {
        cells.push_back(wrapped(row[i], widths[i]));
        lines = std::max(lines, cells.back().size());
    }
    for (std::size_t at = 0; at < lines; ++at) {
        std::string line(first == 0 ? 0 : kGap, ' ');
        for (std::size_t i = 0; i < cells.size(); ++i)
            line += padded(at < cells[i].size() ? cells[i][at] : "", widths[first + i] + kGap);
        while (line.ends_with(' ')) line.pop_back();
        text += line + "\n";
    }
}

}  // namespace

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_code_point));
}

std::string padded(std::string_view text, std::size_t width) {
    std::string result(text);
    const auto used = width_of(text);
    if (used < width) result.append(width - used, ' ');
    return result;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
    std::vector<std::string> lines;
    std::string line;
    const auto end_line = [&] {
        while (line.ends_with(' ')) line.pop_back();
        lines.push_back(std::move(line));
        line.clear();
    };
    while (!text.empty()) {
        const auto space = text.find(' ');
        auto word = text.substr(0, space);
        text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
        if (!line.empty() && width_of(line) + width_of(word) > width) end_line();
        while (width_of(word) > width) {
            const auto part = bytes_of(word, width);
            line = word.substr(0, part);
            word.remove_prefix(part);
            end_line();
        }
        line += word;
        line += ' ';
    }
    if (!line.empty()) end_line();
    return lines;
}

std::string wrapped_text(std::string_view text, std::size_t width, std::size_t indent) {
    return joined(wrapped(text, width - indent), "\n" + std::string(indent, ' '));
}

std::string service_text(const Service& first, std::size_t count) {
    if (count == 1) return fmt::format("{}/{}", first.port, protocol_name(first.protocol));
    return fmt::format("{}-{}/{}", first.port, first.port + count - 1,
                       protocol_name(first.protocol));
}

std::vector<std::string> service_ranges(const std::vector<Service>& services) {
    std::vector<std::string> ranges;
    for (std::size_t i = 0, count = 1; i < services.size(); i += count) {
        for (count = 1; i + count < services.size() &&
                        services[i + count].protocol == services[i].protocol &&
                        services[i + count].port == services[i].port + count;)
            ++count;
        ranges.push_back(service_text(services[i], count));
    }
    return ranges;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
    return fmt::format("{}", fmt::join(parts, between));
}

void Table::add(std::vector<std::string> row) {
    for (auto& cell : row) cell = printable(cell);
    rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::columns(std::size_t width) const {
    std::vector<std::size_t> widths(rows_.front().size(), 0), words = widths;
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
            words[i] = std::max(words[i], longest_word(row[i]));
        }
    }
    // Narrow the widest column that can be wrapped at spaces.
    while (std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1)) > width) {
        std::size_t widest = widths.size();
        for (std::size_t i = 0; i < widths.size(); ++i)
            if (widths[i] > words[i] && (widest == widths.size() || widths[i] > widths[widest]))
                widest = i;
        if (widest == widths.size()) break;
        --widths[widest];
    }
    for (auto& each : widths) each = std::min(each, width - kGap);
    return widths;
}

std::string Table::text(std::size_t width) const {
    const auto widths = columns(width);
    std::string text;
    for (const auto& row : rows_) {
        for (std::size_t first = 0, last = 0; first < row.size(); first = last) {
            std::size_t used = first == 0 ? 0 : kGap;
            for (last = first; last < row.size(); ++last) {
                if (last > first && used + widths[last] > width) break;
                used += widths[last] + kGap;
            }
            add_lines(row, widths, first, last, text);
        }
    }
    return text;
}

}  // namespace ksms
