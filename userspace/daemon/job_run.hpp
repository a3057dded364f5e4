// SPDX-License-Identifier: BSD-2-Clause
// Runs one job in a worker.
#pragma once

#include <atomic>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "daemon/order.hpp"
#include "daemon/workbench.hpp"

namespace ksms {

/// Receives events and result of a run.
struct RunSink {
    std::function<void(std::string_view event, const nlohmann::json& data)> event;
    std::function<void(const std::string& document)> result;
};

/// Call it while the process has one thread. Nothing of the job is left behind when it returns.
/// @param bench  prepared by it if necessary
/// @param stop  not 0: the job ends with the verdicts that are known
RunEnd run_job(Order order, const RunSink& sink, Workbench& bench, const std::atomic<int>& stop);

}  // namespace ksms
