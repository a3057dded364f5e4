// SPDX-License-Identifier: BSD-2-Clause
// Periodic checks of registry and database, and their last results.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/objects.hpp"
#include "config/config.hpp"
#include "daemon/board.hpp"
#include "http/background.hpp"
#include "http/service.hpp"
#include "registry/check.hpp"

namespace ksms {

/// Present use of the DSCPs.
struct LeaseUse {
    std::uint64_t used{0}, capacity{0}, waiting{0};
    ksms_registry figures{};
    [[nodiscard]] std::uint64_t free() const { return capacity > used ? capacity - used : 0; }
    [[nodiscard]] double ratio() const {
        return capacity == 0 ? 0 : static_cast<double>(used) / static_cast<double>(capacity);
    }
};

class Health {
public:
    Health(boost::asio::io_context& io, const Objects& objects, JobBoard& board)
        : objects_(objects), board_(board), chores_(io, "ksmsd-check") {}

    /// Starts a `registry check --repair` in the background and logs its findings.
    void check_registry(const Config& config);
    /// Logs when the utilization rises above the warning threshold and when it falls below.
    void watch_use(const Config& config);

    [[nodiscard]] Result<LeaseUse> use(const Config& config) const;
    [[nodiscard]] ServiceHealth report();
    [[nodiscard]] double checked_at() const { return checked_at_; }
    [[nodiscard]] std::size_t open_findings() const { return open_findings_; }

private:
    void checked(const Result<std::vector<Finding>>& found);

    const Objects& objects_;
    JobBoard& board_;
    double checked_at_{0};  ///< seconds since the epoch
    std::size_t findings_{0}, open_findings_{0};
    std::string check_error_;
    bool over_threshold_{false};
    bool checking_{false};
    Background chores_;  ///< a check examines every process
};

}  // namespace ksms
