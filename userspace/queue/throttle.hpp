// SPDX-License-Identifier: BSD-2-Clause
// How many jobs the machine can bear, by trying: one after a shortage, then carefully more.
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

    /// Something was short: one job at a time from now on, and none for a pause.
    void shortage(const std::string& what, Time now);
    /// A job finished without a shortage. @param full  as many jobs at once as need no throttle
    void finished(unsigned full, Time now);

    /// Jobs that may run at once, of all kinds; none: as configured.
    [[nodiscard]] std::optional<unsigned> limit() const { return limit_; }
    /// Nothing starts before this; none: at once.
    [[nodiscard]] std::optional<Time> paused_until() const { return paused_until_; }
    /// Forgets a pause that is over.
    void tick(Time now);
    /// When the limit may begin to grow. Only where there is a limit.
    [[nodiscard]] Time quiet_until() const { return quiet_until_; }
    [[nodiscard]] const std::string& what() const { return what_; }

private:
    std::optional<unsigned> limit_;
    std::optional<Time> paused_until_;
    Time quiet_{0};
    Time quiet_until_{0};
    Time calm_until_{0};  ///< a shortage before this is one more of the same trouble
    unsigned level_{0};   ///< shortages of this trouble
    std::string what_;
};

}  // namespace ksms
