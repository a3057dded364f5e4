// SPDX-License-Identifier: BSD-2-Clause
#include "output/layout.hpp"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

std::string printable(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return result;
}

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

std::string Table::text() const {
    std::vector<std::size_t> widths(rows_.front().size(), 0);
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], width_of(row[i]));
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += padded(printable(row[i]), widths[i] + 2);
        while (line.ends_with(' ')) line.pop_back();
        text += line + "\n";
    }
    return text;
}

}  // namespace ksms
