// SPDX-License-Identifier: BSD-2-Clause
#include "output/entry_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "output/words.hpp"

namespace ksms {
namespace {

constexpr std::size_t kNamed = 3;    // entries of one answer; the others are counted
constexpr std::size_t kAnswers = 4;  // likewise

/// Entries with the same answer.
struct Alike {
    std::string result, why;
    std::vector<std::string> names;
    [[nodiscard]] std::string text() const {
        const auto named = std::min(names.size(), kNamed);
        auto text =
            fmt::format("{} from {}", result,
                        fmt::join(names.begin(), names.begin() + std::ptrdiff_t(named), ", "));
        if (named < names.size()) text += fmt::format(" and {} more", names.size() - named);
        return why.empty() ? text : fmt::format("{} ({})", text, why);
    }
};

std::vector<Alike> answers_of(const Report& report, const ServiceReport& service) {
    std::vector<Alike> answers;
    const auto own = of_entries(report, service);
    for (std::size_t i = 0; i < own.size(); ++i) {
        Alike its{name_of(own[i].get().result), why_text(report, own[i]), {}};
        auto known = std::ranges::find_if(answers, [&](const Alike& each) {
            return each.result == its.result && each.why == its.why;
        });
        if (known == answers.end()) known = answers.insert(known, std::move(its));
        known->names.push_back(report.by_entry[i].name);
    }
    return answers;
}

}  // namespace

std::vector<std::reference_wrapper<const ServiceReport>> of_entries(const Report& report,
                                                                    const ServiceReport& service) {
    const auto number = &service - report.services.data();
    std::vector<std::reference_wrapper<const ServiceReport>> all;
    for (const auto& entry : report.by_entry)
        all.emplace_back(entry.services[static_cast<std::size_t>(number)]);
    return all;
}

std::string entries_text(const Report& report, const ServiceReport& service) {
    const auto answers = answers_of(report, service);
    std::vector<std::string> parts;
    for (const auto& each : answers) {
        if (parts.size() < kAnswers) parts.push_back(each.text());
    }
    if (answers.size() > kAnswers)
        parts.push_back(fmt::format("{} more answers", answers.size() - kAnswers));
    return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace ksms
