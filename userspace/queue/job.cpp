// SPDX-License-Identifier: BSD-2-Clause
#include "queue/job.hpp"

#include <algorithm>
#include <array>

namespace ksms {
namespace {

constexpr std::array types{JobType::fast, JobType::detailed};
constexpr std::array states{JobState::queued, JobState::running,   JobState::done,
                            JobState::failed, JobState::cancelled, JobState::interrupted};

template <typename Values>
auto by_name(const Values& values, std::string_view word) {
    const auto* const found =
        std::ranges::find_if(values, [&](auto value) { return word == name_of(value); });
    return found == values.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

const char* name_of(JobType type) {
    return type == JobType::fast ? "fast" : "detailed";
}

const char* name_of(JobState state) {
    switch (state) {
        case JobState::queued: return "queued";
        case JobState::running: return "running";
        case JobState::done: return "done";
        case JobState::failed: return "failed";
        case JobState::cancelled: return "cancelled";
        case JobState::interrupted: return "interrupted";
    }
    return "failed";
}

std::optional<JobType> job_type(std::string_view word) {
    return by_name(types, word);
}

std::optional<JobState> job_state(std::string_view word) {
    return by_name(states, word);
}

}  // namespace ksms
