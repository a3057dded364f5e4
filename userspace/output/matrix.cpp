// SPDX-License-Identifier: BSD-2-Clause
#include "output/matrix.hpp"

#include <algorithm>

#include "output/layout.hpp"
#include "scan/ports.hpp"

namespace ksms {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kWidestHeading = 24;
constexpr std::size_t kNarrowestName = 8;
constexpr std::size_t kWhy = 36;  // columns that WHY gets before the matrix is folded
constexpr std::size_t kEnd = 3;

bool same_row(const Report& report, std::size_t a, std::size_t b) {
    const auto &one = report.services[a], &other = report.services[b];
    if (one.service.protocol != other.service.protocol ||
        one.service.port + (b - a) != other.service.port || one.result != other.result ||
        one.why != other.why || one.place != other.place)
        return false;
    return std::ranges::all_of(report.routers, [&](const RouterReport& router) {
        return cell_of(router.services[a]) == cell_of(router.services[b]);
    });
}

std::string colored(std::string text, std::string_view cell, bool color) {
    if (!color) return text;
    const char* start = cell == "YES" ? "\x1b[32m" : cell == "NO" ? "\x1b[31m" : nullptr;
    if (cell == "?") start = "\x1b[33m";
    if (start == nullptr) return text;
    const auto letters = text.find_last_not_of(' ') + 1;
    return start + text.substr(0, letters) + "\x1b[0m" + text.substr(letters);
}

const char* end_cell(Verdict verdict) {
    return verdict == Verdict::unknown ? "?" : name_of(verdict);
}

/// Columns that stand side by side.
struct Block {
    std::string title;
    std::vector<const RouterReport*> routers;
    bool end{false};  ///< END and WHY stand behind them
};

std::size_t column_of(const RouterReport& router) {
    return std::clamp(width_of(router.name), std::size_t{3}, kWidestHeading);
}

class Matrix {
public:
    Matrix(const Report& report, const std::vector<MatrixRow>& rows, const TextStyle& style)
        : report_(report), rows_(rows), style_(style) {
        std::size_t service = 0, name = 0, why = 0;
        for (const auto& row : rows) {
            service = std::max(service, row.service.size());
            name = std::max(name, row.name.size());
            why = std::max(why, width_of(row.why));
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
            for (const auto& row : rows_) line(block, row, text);
        }
        return text;
    }

private:
    std::size_t end_columns() const {
        return kGap + kEnd + (has_why_ ? kGap + std::max<std::size_t>(why_, 3) : 0);
    }

    void make_blocks() {
        std::string entry = report_.routers.empty() ? "" : report_.routers.front().entry;
        std::size_t used = left_;
        blocks_.push_back({title(entry), {}, false});
        for (const auto& router : report_.routers) {
            const auto column = kGap + column_of(router);
            const bool full = used + column > style_.width && !blocks_.back().routers.empty();
            if (full || router.entry != entry) {
                blocks_.push_back({router.entry != entry ? title(router.entry) : "", {}, false});
                entry = router.entry;
                used = left_;
            }
            blocks_.back().routers.push_back(&router);
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
        return report_.entries.size() > 1 ? printable("from " + entry) : "";
    }

    void headings(const Block& block, std::string& text) const {
        std::vector<std::vector<std::string>> names;
        std::size_t lines = 1;
        for (const auto* router : block.routers) {
            names.push_back(wrapped(printable(router->name), kWidestHeading));
            lines = std::max(lines, names.back().size());
        }
        for (std::size_t at = 0; at < lines; ++at) {
            const bool last = at + 1 == lines;
            std::string line = padded(last ? "SERVICE" : "", left_);
            for (std::size_t i = 0; i < names.size(); ++i) {
                const auto missing = lines - names[i].size();
                line.append(kGap, ' ');
                line += padded(at < missing ? "" : names[i][at - missing],
                               column_of(*block.routers[i]));
            }
            if (last && block.end) line += has_why_ ? "  END  WHY" : "  END";
            finish(line, text);
        }
    }

    void line(const Block& block, const MatrixRow& row, std::string& text) const {
        auto line = padded(row.service, service_);
        if (name_ != 0) line += ' ' + row.name;
        line = padded(line, left_);
        for (const auto* router : block.routers) {
            const char* cell = cell_of(router->services[row.first]);
            line.append(kGap, ' ');
            line += colored(padded(cell, column_of(*router)), cell, style_.color);
        }
        if (!block.end) {
            finish(line, text);
            return;
        }
        line.append(kGap, ' ');
        line += colored(padded(end_cell(row.end), kEnd), end_cell(row.end), style_.color);
        const auto why = wrapped(row.why, why_);
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

    const Report& report_;
    const std::vector<MatrixRow>& rows_;
    const TextStyle& style_;
    std::vector<Block> blocks_;
    std::size_t service_{0}, name_{0}, left_{0}, why_{0};
    bool has_why_{false};
};

}  // namespace

const char* cell_of(const ServiceAtRouter& answer) {
    // Literals: the same cell is the same pointer.
    static constexpr const char *yes = "YES", *no = "NO", *unknown = "?", *before = "-",
                                *elsewhere = ".";
    if (!answer.on_path) return elsewhere;
    if (answer.stopped_before) return before;
    switch (answer.result) {
        case Verdict::yes: return yes;
        case Verdict::no: return no;
        case Verdict::unknown: break;
    }
    return unknown;
}

std::vector<MatrixRow> matrix_rows(const Report& report, bool details) {
    std::vector<MatrixRow> rows;
    const auto& services = report.services;
    for (std::size_t i = 0, count = 1; i < services.size(); i += count) {
        for (count = 1; i + count < services.size() && same_row(report, i, i + count);) ++count;
        MatrixRow row;
        row.first = i;
        row.count = count;
        row.service = service_text(services[i].service, count);
        if (count == 1) row.name = printable(service_name(services[i].service));
        row.why = printable(services[i].why);
        if (details && !services[i].place.empty())
            row.why += (row.why.empty() ? "in " : ", in ") + services[i].place;
        row.end = services[i].result;
        rows.push_back(std::move(row));
    }
    return rows;
}

std::string matrix_text(const Report& report, const std::vector<MatrixRow>& rows,
                        const TextStyle& style) {
    return Matrix(report, rows, style).text();
}

}  // namespace ksms
