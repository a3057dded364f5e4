// SPDX-License-Identifier: BSD-2-Clause
// What is looked at in one namespace while a probe is on its way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "explain/legacy.hpp"
#include "os/nftables.hpp"

namespace ksms {

/// The trace of nf_tables and the counters of iptables-legacy. A part that cannot be had is left
/// out, with the reason; it never keeps the probe from being sent.
class Watch {
public:
    /// Looks what there is; nothing is changed yet.
    Watch(Netns netns, int family);
    /// Is there an nf_tables chain on a hook that a trace would tell of?
    [[nodiscard]] bool wants_trace() const;
    /// Makes the table of the trace where it is wanted.
    void start(const std::vector<NftTraceMatch>& matches);
    /// The probe is through: the table goes, the counters are read once more.
    void finish();

    [[nodiscard]] const Netns& netns() const { return netns_; }
    [[nodiscard]] const std::vector<NftChain>& chains() const { return chains_; }
    [[nodiscard]] const std::vector<NftTraceStep>& steps() const { return steps_; }
    [[nodiscard]] const std::vector<LegacyTable>& before() const { return before_; }
    [[nodiscard]] const std::vector<LegacyTable>& after() const { return after_; }
    /// Why there is no trace, or no counters; "" where they are there or nothing was to be seen.
    [[nodiscard]] const std::string& no_trace() const { return no_trace_; }
    [[nodiscard]] const std::string& no_counters() const { return no_counters_; }

private:
    Netns netns_;
    int family_;
    std::vector<NftChain> chains_;
    std::optional<NftTrace> trace_;
    std::vector<NftTraceStep> steps_;
    std::vector<LegacyTable> before_, after_;
    std::string no_trace_, no_counters_;
};

}  // namespace ksms
