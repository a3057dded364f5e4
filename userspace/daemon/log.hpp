// SPDX-License-Identifier: BSD-2-Clause
// The log: to the journal with fields where systemd started us, else lines on standard error.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ksms {

enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };  // syslog(3)

/// KSMS_JOB, KSMS_USER, …: upper case, digits and _.
using LogFields = std::vector<std::pair<std::string, std::string>>;

/// Up to which level is it said? At first up to info.
void set_log_level(LogLevel most);
void log(LogLevel level, const std::string& message, const LogFields& fields = {});

}  // namespace ksms
