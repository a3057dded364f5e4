// SPDX-License-Identifier: BSD-2-Clause
// GET /metrics: docs/metrics.md as text for Prometheus.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/board.hpp"
#include "daemon/health.hpp"
#include "daemon/stall.hpp"
#include "front/front.hpp"

namespace ksms {

/// What the text is made of, beside what the process itself shows.
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
