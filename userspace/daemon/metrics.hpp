// SPDX-License-Identifier: BSD-2-Clause
// GET /metrics in the text format of Prometheus (docs/metrics.md).
#pragma once

#include <cstdint>
#include <string>

#include "daemon/board.hpp"
#include "daemon/health.hpp"
#include "daemon/stall.hpp"
#include "front/front.hpp"

namespace ksms {

/// Sources of the metrics, besides the process itself.
struct MetricsSources {
    JobBoard& board;
    const Health& health;
    const Objects& objects;
    const Config& config;
    const StallWatch* watch;  ///< may be nullptr
    Front::Figures front;
    double started_at{0};  ///< seconds since the epoch
    std::string version;
};

[[nodiscard]] std::string metrics_text(const MetricsSources& from);

}  // namespace ksms
