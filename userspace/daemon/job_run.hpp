// SPDX-License-Identifier: BSD-2-Clause
// One job from its order to its document, in a worker.
#pragma once

#include <atomic>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "daemon/order.hpp"
#include "daemon/workbench.hpp"

namespace ksms {

/// Where a run tells what happens.
struct RunSink {
    std::function<void(std::string_view event, const nlohmann::json& data)> event;
    std::function<void(const std::string& document)> result;
};

/// Call it while the process has one thread. Nothing of the job is left when it returns.
/// @param stop  once it is not 0 the job is ended with what is known
/// @param bench  made ready by it where it is not
RunEnd run_job(Order order, const RunSink& sink, Workbench& bench, const std::atomic<int>& stop);

}  // namespace ksms
