// SPDX-License-Identifier: BSD-2-Clause
// The detailed analysis: one probe at a time through the normal scan, and beside it the kernel's
// own trace of nf_tables, the counters of iptables-legacy, and the routes.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"
#include "explain/result.hpp"
#include "route/request.hpp"
#include "scan/scan.hpp"

namespace ksms {

inline constexpr std::size_t kMostExplained = 16;  ///< services of one job

struct ExplainHooks {
    std::function<void(const ScanProgress&)> progress;
    /// Where each probe would go, before anything is done; an error ends it.
    std::function<Status(const Plan&, const Network&)> planned;
    /// Told once, before it is done: the nftables table that is made for a moment, and where.
    std::function<void(const std::string& table, const std::vector<std::string>& routers)> announce;
    const std::atomic<int>* stop{nullptr};  ///< a signal's number: end cleanly with what is known
};

/// Nothing is left behind whichever way it ends. Call it while the process has one thread. Waits
/// for other detailed jobs (request.wait, which is for the DSCP too).
/// @param request  at most kMostExplained services
/// @return the result (state interrupted after a stop), or the error that kept every service from
/// having one
Result<Explanation> run_explain(const PinRoot& root, const ScanRequest& request,
                                const ExplainHooks& hooks);

}  // namespace ksms
