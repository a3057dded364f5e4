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

#include "os/rate_limit.hpp"
#include "scan/collect.hpp"
#include "scan/plan.hpp"
#include "scan/sites.hpp"
#include "scan/store.hpp"

namespace ksms {

class SecondLook {
public:
    /// Everything is outlived by its arguments.
    /// @param sent  per probe: how often
    /// @param patience_ns  for all of it
    SecondLook(const Plan& plan, const ScanSites& sites, const ScanStore& store, KernelNames& names,
               const std::vector<std::uint8_t>& sent, std::uint64_t patience_ns)
        : plan_(plan),
          sites_(sites),
          store_(store),
          names_(names),
          sent_(sent),
          patience_ns_(patience_ns) {}

    struct Try {
        std::uint32_t probe;
        std::uint64_t quiet_ns;  ///< nothing of the scan may be sent for so long before
    };
    /// The next probe to send. Nothing: no rule limits what was stopped, or the time is over.
    std::optional<Try> next();
    /// Has the last try met its end, or the drop that says so?
    [[nodiscard]] bool met_its_end() const;
    /// Takes what became of it.
    void take();

    /// Stopped by a firewall that turned out to limit rates, and not tried again alone.
    [[nodiscard]] std::vector<std::uint32_t> undecided() const;
    /// For people.
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

private:
    enum class State { waits, stays, passed };
    struct Candidate {
        std::uint32_t probe;
        std::uint8_t tries{0};
        State state{State::waits};
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
    std::uint64_t interval_for(std::size_t router, std::vector<Candidate>& candidates);
    void queue(std::size_t most);

    const Plan& plan_;
    const ScanSites& sites_;
    const ScanStore& store_;
    KernelNames& names_;
    const std::vector<std::uint8_t>& sent_;
    std::uint64_t patience_ns_, until_ns_{0};
    std::size_t router_{0};          ///< whose turn it is
    bool begun_{false};              ///< with that one
    std::vector<Look> looks_;        ///< one a router
    std::deque<std::size_t> queue_;  ///< candidates of that router
    std::optional<std::size_t> trying_;
    std::uint64_t quiet_ns_{0};  ///< the slowest limit met so far
    std::uint32_t drops_before_{0};
    std::uint64_t events_before_{0};
    std::vector<std::string> warnings_;
};

}  // namespace ksms
