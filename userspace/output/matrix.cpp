// SPDX-License-Identifier: BSD-2-Clause
#include "output/matrix.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/service_names.hpp"
#include "output/layout.hpp"

namespace ksms {
namespace {

constexpr std::size_t kColumnGap = 2;
constexpr std::size_t kWidestHeading = 24;
constexpr std::size_t kNarrowestName = 8;
constexpr std::size_t kWhy = 36;  // minimum columns of WHY before the matrix is folded
constexpr std::size_t kEnd = 3;

const char* text_of(Cell cell) {
    switch (cell) {
        case Cell::yes: return "YES";
        case Cell::no: return "NO";
        case Cell::unknown: return "?";
        case Cell::stopped_before: return "-";
        case Cell::not_on_path: break;
    }
    return ".";
}

Cell end_cell(Verdict verdict) {
    switch (verdict) {
        case Verdict::yes: return Cell::yes;
        case Verdict::no: return Cell::no;
        case Verdict::unknown:
        case Verdict::mixed: break;
    }
    return Cell::unknown;
}

/// A row with its texts.
struct Line {
    const ScanView::Row* row;
    std::string service, name, why;
};

std::vector<Line> lines_of(const ScanView::Table& table, bool details) {
    std::vector<Line> lines;
    for (const auto& row : table.rows) {
        Line line{&row, service_text(row.first, row.count), {}, printable(row.why)};
        if (row.count == 1) line.name = printable(service_name(row.first));
        if (details && !row.place.empty())
            line.why += (line.why.empty() ? "in " : ", in ") + row.place;
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string colored(std::string text, Cell cell, bool color) {
    const char* start = nullptr;
    if (cell == Cell::yes) start = "\x1b[32m";
    if (cell == Cell::no) start = "\x1b[31m";
    if (cell == Cell::unknown) start = "\x1b[33m";
    if (!color || start == nullptr) return text;
    const auto letters = text.find_last_not_of(' ') + 1;
    return start + text.substr(0, letters) + "\x1b[0m" + text.substr(letters);
}

/// Columns of one block of the matrix.
struct Block {
    std::vector<std::size_t> routers;  ///< indices into ScanView::Table::routers
    bool end{false};                   ///< followed by END and WHY
};

std::size_t column_of(const ScanView::Router& router) {
    return std::clamp(width_of(router.name), std::size_t{3}, kWidestHeading);
}

class Matrix {
public:
    Matrix(const ScanView::Table& table, const TextStyle& style)
        : table_(table), lines_(lines_of(table, style.details)), style_(style) {
        std::size_t service = 0, name = 0, why = 0;
        for (const auto& line : lines_) {
            service = std::max(service, line.service.size());
            name = std::max(name, line.name.size());
            why = std::max(why, width_of(line.why));
        }
        service_ = service;
        name_ = name == 0 ? 0 : std::max(name, kNarrowestName);
        left_ = std::max<std::size_t>(service_ + (name_ == 0 ? 0 : 1 + name_), 7);
        has_why_ = why > 0;
        why_ = std::min(why, kWhy);
    }

    std::string text() {
        make_blocks();
        std::string text;
        for (const auto& block : blocks_) {
            if (!text.empty()) text += '\n';
            headings(block, text);
            for (const auto& each : lines_) line(block, each, text);
        }
        return text;
    }

private:
    std::size_t end_columns() const {
        return kColumnGap + kEnd + (has_why_ ? kColumnGap + std::max<std::size_t>(why_, 3) : 0);
    }

    void make_blocks() {
        std::size_t used = left_;
        blocks_.push_back({});
        for (std::size_t i = 0; i < table_.routers.size(); ++i) {
            const auto column = kColumnGap + column_of(table_.routers[i]);
            const bool full = used + column > style_.width && !blocks_.back().routers.empty();
            if (full) {
                blocks_.push_back({});
                used = left_;
            }
            blocks_.back().routers.push_back(i);
            used += column;
        }
        if (used + end_columns() > style_.width) {
            blocks_.push_back({});
            used = left_;
        }
        blocks_.back().end = true;
        why_ = style_.width - std::min(style_.width, used + kColumnGap + kEnd + kColumnGap);
    }

    void headings(const Block& block, std::string& text) const {
        std::vector<std::vector<std::string>> names;
        std::size_t lines = 1;
        for (const auto router : block.routers) {
            names.push_back(wrapped(printable(table_.routers[router].name), kWidestHeading));
            lines = std::max(lines, names.back().size());
        }
        for (std::size_t at = 0; at < lines; ++at) {
            const bool last = at + 1 == lines;
            std::string line = padded(last ? "SERVICE" : "", left_);
            for (std::size_t i = 0; i < names.size(); ++i) {
                const auto missing = lines - names[i].size();
                line.append(kColumnGap, ' ');
                line += padded(at < missing ? "" : names[i][at - missing],
                               column_of(table_.routers[block.routers[i]]));
            }
            if (last && block.end) line += has_why_ ? "  END  WHY" : "  END";
            finish(line, text);
        }
    }

    void line(const Block& block, const Line& of, std::string& text) const {
        auto line = padded(of.service, service_);
        if (name_ != 0) line += ' ' + of.name;
        line = padded(line, left_);
        for (const auto router : block.routers) {
            const auto cell = of.row->cells[router];
            line.append(kColumnGap, ' ');
            line += colored(padded(text_of(cell), column_of(table_.routers[router])), cell,
                            style_.color);
        }
        if (!block.end) {
            finish(line, text);
            return;
        }
        const auto end = end_cell(of.row->end);
        line.append(kColumnGap, ' ');
        line += colored(padded(text_of(end), kEnd), end, style_.color);
        const auto why = wrapped(of.why, why_);
        if (!why.empty()) line.append(kColumnGap, ' ');
        if (!why.empty()) line += why.front();
        finish(line, text);
        for (std::size_t i = 1; i < why.size(); ++i) {
            std::string more(style_.width - why_, ' ');
            more += why[i];
            finish(more, text);
        }
    }

    static void finish(std::string& line, std::string& text) {
        while (line.ends_with(' ')) line.pop_back();
        text += line;
        text += '\n';
    }

    const ScanView::Table& table_;
    std::vector<Line> lines_;
    const TextStyle& style_;
    std::vector<Block> blocks_;
    std::size_t service_{0}, name_{0}, left_{0}, why_{0};
    bool has_why_{false};
};

/// "from ts-hq   11 more entries alike: …"
std::string title_of(const std::vector<std::string>& entries, std::size_t width) {
    auto text = "from " + entries.front();
    const std::vector<std::string> more(entries.begin() + 1, entries.end());
    if (!more.empty())
        text += fmt::format("   {} more {} alike: {}", more.size(),
                            more.size() == 1 ? "entry" : "entries", joined(more, ", "));
    return wrapped_text(printable(text), width, 2) + '\n';
}

}  // namespace

std::string matrix_text(const ScanView& view, const TextStyle& style) {
    std::string text;
    std::vector<bool> shown(view.tables.size(), false);
    for (std::size_t i = 0; i < view.tables.size(); ++i) {
        if (shown[i]) continue;
        const auto& table = view.tables[i];
        std::vector<std::string> entries;
        for (auto other = i; other < view.tables.size(); ++other) {
            if (shown[other] || !view.tables[other].looks_like(table)) continue;
            shown[other] = true;
            entries.push_back(view.tables[other].entry);
        }
        if (!text.empty()) text += '\n';
        if (view.tables.size() > 1) text += title_of(entries, style.width);
        text += Matrix(table, style).text();
    }
    return text;
}

}  // namespace ksms
