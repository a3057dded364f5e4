// SPDX-License-Identifier: BSD-2-Clause
// The log: to the journal with fields where systemd started us, else lines on standard error.
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

/// Up to which level is it said? At first up to info.
void set_log_level(LogLevel most);
void log(LogLevel level, const std::string& message, const LogFields& fields = {});

/// While it lives, messages are written by a thread of its own: a log that nobody reads stops
/// nobody. At its end what is left is written, for two seconds at most.
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
