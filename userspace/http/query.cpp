// SPDX-License-Identifier: BSD-2-Clause
#include "http/query.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/nearest.hpp"
#include "base/text.hpp"
#include "http/problem.hpp"

namespace ksms {
namespace {

const std::array<std::string, 2> types{"fast", "detailed"};
const std::array<std::string, 6> states{"queued", "running",   "done",
                                        "failed", "cancelled", "interrupted"};

std::string listed(std::span<const std::string> words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::optional<Problem> check_word(const char* name, const std::string& value,
                                  std::span<const std::string> words) {
    if (std::ranges::find(words, value) != words.end()) return std::nullopt;
    const auto guess = did_you_mean(value, words);
    return make_problem(400, std::string(name) + "=" + value + ": one of " + listed(words), guess);
}

}  // namespace

std::optional<Problem> check_parameters(const HttpTarget& target,
                                        std::span<const std::string> known) {
    std::set<std::string> seen;
    for (const auto& [name, value] : target.query) {
        if (std::ranges::find(known, name) == known.end()) {
            auto hint = did_you_mean(name, known);
            if (hint.empty() && !known.empty()) hint = "there are " + listed(known);
            return make_problem(400, target.path + " has no parameter " + name, hint);
        }
        if (!seen.insert(name).second)
            return make_problem(400, "the parameter " + name + " is there twice");
    }
    return std::nullopt;
}

const std::string* parameter(const HttpTarget& target, std::string_view name) {
    for (const auto& [key, value] : target.query)
        if (key == name) return &value;
    return nullptr;
}

std::optional<Problem> check_job_query(const JobQuery& query) {
    if (query.state)
        if (auto problem = check_word("state", *query.state, states)) return problem;
    if (query.type)
        if (auto problem = check_word("type", *query.type, types)) return problem;
    if (query.limit < 1 || query.limit > most_listed)
        return make_problem(400, "limit=" + std::to_string(query.limit) + ": 1 to 1000");
    if (query.before.size() > 128) return make_problem(400, "before is longer than 128 bytes");
    return std::nullopt;
}

Answer<JobQuery> parse_job_query(const HttpTarget& target) {
    static const std::array<std::string, 5> known{"state", "type", "user", "limit", "before"};
    if (auto problem = check_parameters(target, known)) return std::unexpected(*problem);
    JobQuery query;
    if (const auto* state = parameter(target, "state")) query.state = *state;
    if (const auto* type = parameter(target, "type")) query.type = *type;
    if (const auto* user = parameter(target, "user")) query.user = *user;
    if (const auto* limit = parameter(target, "limit")) {
        const auto value = parse_number<unsigned>(*limit);
        if (!value) return std::unexpected(make_problem(400, "limit=" + *limit + ": 1 to 1000"));
        query.limit = *value;
    }
    if (const auto* before = parameter(target, "before")) query.before = *before;
    if (auto problem = check_job_query(query)) return std::unexpected(*problem);
    return query;
}

Answer<std::chrono::milliseconds> parse_wait(const HttpTarget& target,
                                             std::chrono::milliseconds longest) {
    const auto* wait = parameter(target, "wait");
    if (wait == nullptr) return std::chrono::milliseconds(0);
    const auto seconds = parse_number<double>(*wait);
    const std::chrono::duration<double> most = longest;
    if (!seconds || !(*seconds >= 0 && *seconds <= most.count()))  // also for NaN
        return std::unexpected(make_problem(
            400, "wait=" + *wait + ": 0 to " + std::to_string(longest.count() / 1000) + " seconds",
            "ask again for more"));
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::duration<double>(*seconds));
}

}  // namespace ksms
