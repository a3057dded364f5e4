// SPDX-License-Identifier: BSD-2-Clause
// Finds how many jobs the machine can run: one after a shortage, then gradually more.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace ksms {

class Throttle {
public:
    using Time = std::chrono::nanoseconds;

    static constexpr Time first_pause = std::chrono::milliseconds(250);
    static constexpr Time longest_pause = std::chrono::seconds(30);
    static constexpr Time first_quiet = std::chrono::seconds(5);
    static constexpr Time longest_quiet = std::chrono::seconds(320);

    /// Reports a shortage: from now on one job at a time, and none during a pause.
    void shortage(const std::string& what, Time now);
    /// A job finished without a shortage. @param full  concurrent jobs without a throttle
    void finished(unsigned full, Time now);

    /// The limit of concurrent jobs of all types; none: as configured.
    [[nodiscard]] std::optional<unsigned> limit() const { return limit_; }
    /// No job starts before this time; none: no pause.
    [[nodiscard]] std::optional<Time> paused_until() const { return paused_until_; }
    /// Ends a pause that is over.
    void tick(Time now);
    [[nodiscard]] const std::string& what() const { return what_; }

private:
    std::optional<unsigned> limit_;
    std::optional<Time> paused_until_;
    Time quiet_{0};
    Time quiet_until_{0};
    Time calm_until_{0};  ///< a shortage before this time continues the last one
    unsigned level_{0};   ///< consecutive shortages
    std::string what_;
};

}  // namespace ksms
