// SPDX-License-Identifier: BSD-2-Clause
// The rate limits that a probe meets on its way.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "judge/drop.hpp"
#include "judge/plan.hpp"

namespace ksms {

/// Where something stopped it.
struct LimitPlace {
    enum class Kind { source, segment, router } kind{Kind::router};
    std::size_t router{0};
    bool as_sent{false};  ///< it came there as it was sent, so nothing before changed it
};

struct LimitWait {
    nanoseconds interval{0};
    bool guessed{false};
};

/// What the slowest of the rules asks to wait that may have stopped it there: a limit of that place
/// (where its firewall dropped it), or one there or before that decides later, by a mark, another
/// DSCP or a jump. What a TC filter or a program dropped may have met a policer, which nobody can
/// read.
/// @param by  what dropped it
/// @return nothing: there is no such rule
std::optional<LimitWait> limit_at(const Plan& plan, std::uint32_t probe, const Service& service,
                                  LimitPlace place, DropKind by);

/// Of all limits up to that place, or of those that decide later.
std::optional<LimitWait> limit_up_to(const Plan& plan, std::uint32_t probe, const Service& service,
                                     LimitPlace place, DropKind by);

/// So often in all is tried alone what was stopped where a limit acts: others send, too.
inline constexpr int kLimitTries = 3;
/// For all tries: so many times the timeout.
inline constexpr int kLimitPatience = 15;
/// How long nothing may have been sent before a try. Limits count in jiffies: up to 10 ms each.
[[nodiscard]] inline nanoseconds quiet_before(nanoseconds interval) {
    return interval + interval / 20 + std::chrono::milliseconds(12);
}

/// Is it one that nobody can read?
[[nodiscard]] bool is_by_program(DropKind by);

}  // namespace ksms
