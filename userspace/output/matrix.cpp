// SPDX-License-Identifier: BSD-2-Clause
#include "output/matrix.hpp"

#include <algorithm>

#include "base/service_names.hpp"
#include "output/layout.hpp"

namespace ksms {
namespace {

constexpr std::size_t kGap = 2;
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
        case Verdict::unknown: break;
    }
    return Cell::unknown;
}

/// A row with its texts.
struct Line {
    const ScanView::Row* row;
    std::string service, name, why;
};

std::vector<Line> lines_of(const ScanView& view, bool details) {
    std::vector<Line> lines;
    for (const auto& row : view.rows) {
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
    std::string title;
    std::vector<std::size_t> routers;  ///< indices into ScanView::routers
    bool end{false};                   ///< followed by END and WHY
};

std::size_t column_of(const ScanView::Router& router) {
    return std::clamp(width_of(router.name), std::size_t{3}, kWidestHeading);
}

class Matrix {
public:
    Matrix(const ScanView& view, const TextStyle& style)
        : view_(view), lines_(lines_of(view, style.details)), style_(style) {
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
            if (!block.title.empty()) text += block.title + '\n';
            headings(block, text);
            for (const auto& each : lines_) line(block, each, text);
        }
        return text;
    }

private:
    std::size_t end_columns() const {
        return kGap + kEnd + (has_why_ ? kGap + std::max<std::size_t>(why_, 3) : 0);
    }

    void make_blocks() {
        std::string entry = view_.routers.empty() ? "" : view_.routers.front().entry;
        std::size_t used = left_;
        blocks_.push_back({title(entry), {}, false});
        for (std::size_t i = 0; i < view_.routers.size(); ++i) {
            const auto& router = view_.routers[i];
            const auto column = kGap + column_of(router);
            const bool full = used + column > style_.width && !blocks_.back().routers.empty();
            if (full || router.entry != entry) {
                blocks_.push_back({router.entry != entry ? title(router.entry) : "", {}, false});
                entry = router.entry;
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
        why_ = style_.width - std::min(style_.width, used + kGap + kEnd + kGap);
    }

    std::string title(const std::string& entry) const {
        return view_.entries.size() > 1 ? printable("from " + entry) : "";
    }

    void headings(const Block& block, std::string& text) const {
        std::vector<std::vector<std::string>> names;
        std::size_t lines = 1;
        for (const auto router : block.routers) {
            names.push_back(wrapped(printable(view_.routers[router].name), kWidestHeading));
            lines = std::max(lines, names.back().size());
        }
        for (std::size_t at = 0; at < lines; ++at) {
            const bool last = at + 1 == lines;
            std::string line = padded(last ? "SERVICE" : "", left_);
            for (std::size_t i = 0; i < names.size(); ++i) {
                const auto missing = lines - names[i].size();
                line.append(kGap, ' ');
                line += padded(at < missing ? "" : names[i][at - missing],
                               column_of(view_.routers[block.routers[i]]));
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
            line.append(kGap, ' ');
            line += colored(padded(text_of(cell), column_of(view_.routers[router])), cell,
                            style_.color);
        }
        if (!block.end) {
            finish(line, text);
            return;
        }
        const auto end = end_cell(of.row->end);
        line.append(kGap, ' ');
        line += colored(padded(text_of(end), kEnd), end, style_.color);
        const auto why = wrapped(of.why, why_);
        if (!why.empty()) line.append(kGap, ' ');
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

    const ScanView& view_;
    std::vector<Line> lines_;
    const TextStyle& style_;
    std::vector<Block> blocks_;
    std::size_t service_{0}, name_{0}, left_{0}, why_{0};
    bool has_why_{false};
};

}  // namespace

std::string matrix_text(const ScanView& view, const TextStyle& style) {
    return Matrix(view, style).text();
}

}  // namespace ksms
