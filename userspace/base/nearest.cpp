// SPDX-License-Identifier: BSD-2-Clause
#include "base/nearest.hpp"

#include <algorithm>
#include <vector>

namespace ksms {
namespace {

constexpr std::size_t kLongestWord = 64;

std::size_t tolerance(std::size_t length) {
    return std::clamp<std::size_t>((length + 1) / 3, 1, 3);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> known) {
    if (word.empty() || word.size() > kLongestWord) return {};
    std::size_t best = tolerance(word.size()) + 1;
    std::string found;
    for (const auto& candidate : known) {
        const auto longer = std::max(candidate.size(), word.size());
        if (longer - std::min(candidate.size(), word.size()) >= best) continue;
        const auto distance = edit_distance(word, candidate);
        if (distance >= best) continue;
        best = distance;
        found = candidate;
    }
    return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
    const auto found = nearest(word, known);
    return found.empty() ? std::string() : "did you mean " + found + "?";
}

}  // namespace ksms
