// SPDX-License-Identifier: BSD-2-Clause
// A job in the queue: request, state, result.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ksms {

enum class JobType { fast, detailed };
enum class JobState { queued, running, done, failed, cancelled, interrupted };

/// The words in the API and the database ("fast", "queued", …).
[[nodiscard]] const char* name_of(JobType type);
[[nodiscard]] const char* name_of(JobState state);
/// The reverse; nothing for other words.
[[nodiscard]] std::optional<JobType> job_type(std::string_view word);
[[nodiscard]] std::optional<JobState> job_state(std::string_view word);

/// Whether it is a final state.
[[nodiscard]] constexpr bool is_finished(JobState state) {
    return state != JobState::queued && state != JobState::running;
}

/// Times are seconds since the epoch; 0: not yet.
struct Job {
    std::string id;
    std::uint64_t sequence{0};  ///< order of submission, from 1 up, never used again; the store's
    JobType type{JobType::fast};
    std::string user;
    uid_t uid{0};
    JobState state{JobState::queued};
    double submitted_at{0};
    double started_at{0};
    double finished_at{0};
    std::optional<int> dscp;
    unsigned runs{0};              ///< how often it was started
    std::string request;           ///< JSON text as accepted
    std::string result;            ///< JSON text; empty: none, or not asked for
    std::string error;             ///< JSON text of the error object; empty: none
    std::uint64_t result_size{0};  ///< bytes of the result, also where it was not asked for
};

}  // namespace ksms
