// SPDX-License-Identifier: BSD-2-Clause
// The whole way of a scan: plan, lease, taps, neighbours, probes, evidence, verdicts, report.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "judge/plan.hpp"
#include "judge/report.hpp"
#include "probe/probe_packet.hpp"
#include "retry/progress.hpp"
#include "route/network.hpp"
#include "route/request.hpp"

namespace ksms {

/// A scan whose taps count and of which nothing was sent yet.
struct ArmedScan {
    const Plan& plan;
    const Network& network;  ///< that the plan was made of
    const ProbeHeader& header;
};

struct ScanHooks {
    std::function<void(const ScanProgress&)> progress;
    /// A service whose probes are all accounted for, while others are not yet: one service with its
    /// routers, judged as if the scan ended now. It may still change (a second try where a firewall
    /// limits rates, a late drop); see evidence/so_far.hpp.
    std::function<void(const Report&)> so_far;
    /// The scan holds this DSCP from now on.
    std::function<void(std::uint8_t dscp)> leased;
    /// After plan and lease, before the scan looks for taps that stand: for who keeps some
    /// (taps/kept.hpp). Called again in each round; its error ends the scan.
    std::function<Status(const Plan&, const Network&)> planned;
    /// For who wants to see the probes elsewhere too; its error ends the scan.
    std::function<Status(const ArmedScan&)> armed;
    const std::atomic<int>* stop{nullptr};  ///< a signal's number: end cleanly with what is known
};

/// Nothing is left behind whichever way it ends. Call it while the process has one thread.
/// @return a report (state interrupted after a stop), or the error that kept it from having any
/// result
Result<Report> run_scan(const PinRoot& root, const ScanRequest& request, const ScanHooks& hooks);
/// The same with what the caller has opened already, which saves some milliseconds.
/// @param objects  as they are pinned (Objects::is_current())
/// @param guard    has nothing to undo but what the scan does
Result<Report> run_scan(const Objects& objects, Guard& guard, const ScanRequest& request,
                        const ScanHooks& hooks);

}  // namespace ksms
