// SPDX-License-Identifier: BSD-2-Clause
// Shared by the files of the board.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>

#include "daemon/board.hpp"
#include "daemon/log.hpp"

namespace ksms {

// A job that was interrupted this often may be the cause.
inline constexpr unsigned kMostRuns = 3;

struct JobBoard::Timers {
    explicit Timers(boost::asio::io_context& io) : next(io), save(io) {}
    boost::asio::steady_timer next, save;
    std::map<std::string, std::unique_ptr<boost::asio::steady_timer>>
        patience;  ///< of jobs told to stop
};

/// Index into a PerType.
inline std::size_t index_of(JobType type) {
    return type == JobType::fast ? 0 : 1;
}

/// An error object of a job.
inline std::string failure(const std::string& message, const std::string& hint) {
    return error_object({Code::failed, 0, message, hint});
}

inline LogFields fields_of(const Job& job) {
    return {{"KSMS_JOB", job.id}, {"KSMS_USER", job.user}};
}

}  // namespace ksms
