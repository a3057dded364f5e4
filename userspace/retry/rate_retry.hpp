// SPDX-License-Identifier: BSD-2-Clause
// A firewall that limits rates stops a burst where it lets a single packet pass. What it stopped is
// sent again, one probe at a time and as slowly as its rules ask for, before a NO is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "evidence/collector.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "judge/plan.hpp"
#include "retry/limits.hpp"

namespace ksms {

class RateRetry {
public:
    /// Everything is outlived by its arguments.
    /// @param turn  whose probes are tried
    /// @param sent  per probe: how often
    /// @param timeout  after a probe was last sent; the tries get several times that
    RateRetry(const Plan& plan, const StoreSlots& slots, const ScanStore& store, KernelNames& names,
              const std::vector<std::uint8_t>& sent, Turn turn, nanoseconds timeout);

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
    /// Nothing is tried any more: looks at the places whose turn never came, so that undecided()
    /// has what was stopped there.
    void give_up();

    /// Stopped where a firewall limits rates, or led there by one, and not tried again alone: the
    /// time was over, or too short for the limit, or nothing was heard of the tries.
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
        LimitPlace place;
        std::vector<Candidate> candidates;
        bool turned{false};
    };
    [[nodiscard]] std::size_t source_slot(std::uint32_t probe) const;
    [[nodiscard]] ksms_drop drop_at(const LimitPlace& place, std::uint32_t probe) const;
    [[nodiscard]] bool passes(const LimitPlace& place, std::uint32_t probe) const;
    [[nodiscard]] bool passes_router(std::size_t router, std::uint32_t probe) const;
    [[nodiscard]] bool comes_as_sent(const LimitPlace& place, std::uint32_t probe) const;
    [[nodiscard]] std::optional<LimitWait> stopped_by_limit(LimitPlace place,
                                                            std::uint32_t probe) const;
    [[nodiscard]] bool stopped_by_program(const LimitPlace& place, std::uint32_t probe) const;
    [[nodiscard]] nanoseconds quiet_for(LimitPlace place, std::uint32_t probe,
                                        nanoseconds here) const;
    [[nodiscard]] std::string_view name_of(const LimitPlace& place, std::uint32_t probe) const;
    [[nodiscard]] std::uint64_t events_of(std::uint32_t probe) const;
    void begin(Look& look);
    bool find_queued();
    void leave_out_the_slow(Look& look);
    void queue(std::size_t most);
    void try_once_more(std::size_t at);

    const Plan& plan_;
    const StoreSlots& slots_;
    const ScanStore& store_;
    KernelNames& names_;
    const std::vector<std::uint8_t>& sent_;
    Turn turn_;
    nanoseconds patience_;
    std::optional<Instant> until_;
    std::size_t at_{0};              ///< whose turn it is
    bool begun_{false};              ///< with that one
    std::vector<Look> looks_;        ///< one a place, in the order of the way
    std::deque<std::size_t> queue_;  ///< candidates of that place
    std::optional<std::size_t> trying_;
    std::uint32_t drops_before_{0};
    std::uint64_t events_before_{0};
    std::vector<std::string> warnings_;
};

}  // namespace ksms
