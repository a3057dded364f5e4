// SPDX-License-Identifier: BSD-2-Clause
// The log: journal entries with fields under systemd, else lines on standard error.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/lane.hpp"

namespace ksms {

enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };  // syslog(3)

/// KSMS_JOB, KSMS_USER, …: upper case, digits and _.
using LogFields = std::vector<std::pair<std::string, std::string>>;

/// Sets the least severe level that is logged; the default is info.
void set_log_level(LogLevel most);
void log(LogLevel level, const std::string& message, const LogFields& fields = {});

/// While it exists, a thread writes the messages, so that a log that nobody reads blocks nothing.
/// Its destructor waits at most two seconds for the remaining messages.
class LogThread {
public:
    LogThread();
    LogThread(const LogThread&) = delete;
    LogThread& operator=(const LogThread&) = delete;
    ~LogThread();

private:
    std::unique_ptr<Lane> lane_;
};

}  // namespace ksms
