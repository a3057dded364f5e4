// SPDX-License-Identifier: BSD-2-Clause
// A firewall that limits rates stops a burst where it lets a single packet pass. What it stopped is
// sent again, one probe at a time and as slowly as its rules ask for, before a NO is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "evidence/collector.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "judge/plan.hpp"

namespace ksms {

class RateRetry {
public:
    /// Everything is outlived by its arguments.
    /// @param sent  per probe: how often
    /// @param timeout  after a probe was last sent; the tries get several times that
    RateRetry(const Plan& plan, const StoreSlots& slots, const ScanStore& store, KernelNames& names,
              const std::vector<std::uint8_t>& sent, nanoseconds timeout);

    struct Try {
        std::uint32_t probe;
        nanoseconds quiet;  ///< nothing of the scan may be sent for so long before
    };
    /// The next probe to send. Nothing: no rule limits what was stopped, or the time is over.
    std::optional<Try> next();
    /// Has the last try met its end, or the drop that says so?
    [[nodiscard]] bool met_its_end() const;
    /// Takes what became of it.
    void take();
    /// Nothing is tried any more: looks at the routers whose turn never came, so that undecided()
    /// has what they stopped.
    void give_up();

    /// Stopped by a firewall that may limit rates for it, and not tried again alone: the time was
    /// over, or too short for the limit, or nothing was heard of the tries.
    [[nodiscard]] std::vector<std::uint32_t> undecided() const;
    /// For people.
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

private:
    enum class State {
        spare,  ///< not of the sample
        due,    ///< to be tried
        stays,
        passed,
    };
    struct Candidate {
        std::uint32_t probe;
        nanoseconds quiet{0};  ///< before it is tried
        std::uint8_t tries{0};
        State state{State::spare};
    };
    struct Look {
        std::vector<Candidate> candidates;
        bool turned{false};
    };
    [[nodiscard]] bool stopped_at(std::size_t router, std::uint32_t probe) const;
    [[nodiscard]] bool passes(std::size_t router, std::uint32_t probe, const ksms_drop& drop) const;
    [[nodiscard]] std::uint64_t events_of(std::uint32_t probe) const;
    [[nodiscard]] bool is_by_firewall(std::uint32_t reason) const;
    void begin(std::size_t router);
    struct Wait {
        nanoseconds interval{0};
        bool guessed{false};
    };
    [[nodiscard]] std::optional<Wait> wait_at(std::size_t router, std::uint32_t probe) const;
    [[nodiscard]] nanoseconds interval_at(std::size_t router, std::uint32_t probe) const;
    [[nodiscard]] nanoseconds quiet_for(std::size_t router, std::uint32_t probe) const;
    void leave_out_the_slow(std::size_t router);
    void queue(std::size_t most);

    const Plan& plan_;
    const StoreSlots& slots_;
    const ScanStore& store_;
    KernelNames& names_;
    const std::vector<std::uint8_t>& sent_;
    nanoseconds patience_;
    std::optional<Instant> until_;
    std::size_t router_{0};          ///< whose turn it is
    bool begun_{false};              ///< with that one
    std::vector<Look> looks_;        ///< one a router
    std::deque<std::size_t> queue_;  ///< candidates of that router
    std::optional<std::size_t> trying_;
    std::uint32_t drops_before_{0};
    std::uint64_t events_before_{0};
    std::vector<std::string> warnings_;
};

}  // namespace ksms
