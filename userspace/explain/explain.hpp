// SPDX-License-Identifier: BSD-2-Clause
// Detailed analysis: a normal scan with one probe at a time, together with the trace of nf_tables,
// the counters of iptables-legacy, and the routes.
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
    /// Called with the plan of each probe before anything is done; an error ends the analysis.
    std::function<Status(const Plan&, const Network&)> planned;
    /// Called once before the temporary nftables table is created, with its name and the routers.
    std::function<void(const std::string& table, const std::vector<std::string>& routers)> announce;
    const std::atomic<int>* stop{nullptr};  ///< a signal's number: end cleanly with what is known
};

/// Leaves nothing behind. Call it while the process has one thread. Waits for other detailed jobs
/// (request.wait, which also limits the wait for a DSCP).
/// @param request  at most kMostExplained services
/// @return the result (state interrupted after a stop), or an error if no service has a result
Result<Explanation> run_explain(const PinRoot& root, const ScanRequest& request,
                                const ExplainHooks& hooks);

}  // namespace ksms
