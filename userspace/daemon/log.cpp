// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/log.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/text.hpp"

namespace ksms {
namespace {

LogLevel most_said = LogLevel::info;

/// sd-journal(3): standard error is the journal's when JOURNAL_STREAM names its device and inode.
bool is_journal() {
    const char* stream = ::secure_getenv("JOURNAL_STREAM");
    struct stat status{};
    if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
    return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

bool to_journal(LogLevel level, const std::string& message, const LogFields& fields) {
    std::vector<std::string> texts{"MESSAGE=" + printable(message),
                                   fmt::format("PRIORITY={}", static_cast<int>(level)),
                                   "SYSLOG_IDENTIFIER=ksmsd"};
    for (const auto& [name, value] : fields) texts.push_back(name + "=" + printable(value));
    std::vector<iovec> pieces;
    for (auto& text : texts) pieces.push_back({text.data(), text.size()});
    return sd_journal_sendv(pieces.data(), static_cast<int>(pieces.size())) == 0;
}

}  // namespace

void set_log_level(LogLevel most) {
    most_said = most;
}

void log(LogLevel level, const std::string& message, const LogFields& fields) {
    static const bool journal = is_journal();
    if (level > most_said) return;
    if (journal && to_journal(level, message, fields)) return;
    static constexpr const char* names[] = {"", "", "", "error: ", "warning: ", "", "", "debug: "};
    auto line = fmt::format("ksmsd: {}{}", names[static_cast<int>(level)], printable(message));
    for (const auto& [name, value] : fields) line += fmt::format(" {}={}", name, printable(value));
    line += "\n";
    std::fputs(line.c_str(), stderr);
}

}  // namespace ksms
