// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/log.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>

#include "base/lane.hpp"
#include "base/text.hpp"

namespace ksms {
namespace {

std::atomic<LogLevel> most_said = LogLevel::info;
// Limit of messages that wait for a slow log. Further messages are dropped and counted.
constexpr std::chrono::seconds kLastWords{2};
constexpr std::size_t kMostPending = 1000;
std::atomic<Lane*> lane = nullptr;
std::atomic<std::uint64_t> left_out = 0;

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

void write_message(LogLevel level, const std::string& message, const LogFields& fields) {
    static const bool journal = is_journal();
    if (journal && to_journal(level, message, fields)) return;
    static constexpr const char* names[] = {"", "", "", "error: ", "warning: ", "", "", "debug: "};
    auto line = fmt::format("ksmsd: {}{}", names[static_cast<int>(level)], printable(message));
    for (const auto& [name, value] : fields) line += fmt::format(" {}={}", name, printable(value));
    line += "\n";
    std::fputs(line.c_str(), stderr);
}

}  // namespace

void set_log_level(LogLevel most) {
    most_said = most;
}

void log(LogLevel level, const std::string& message, const LogFields& fields) {
    if (level > most_said) return;
    auto* const beside = lane.load();
    if (beside == nullptr) return write_message(level, message, fields);
    if (beside->pending() >= kMostPending) {
        ++left_out;
        return;
    }
    beside->run([level, message, fields] {
        if (const auto missing = left_out.exchange(0))
            write_message(LogLevel::warning,
                          fmt::format("{} messages are left out: the log is too slow", missing),
                          {});
        write_message(level, message, fields);
    });
}

LogThread::LogThread() : lane_(std::make_unique<Lane>("ksmsd-log", Lane::AtEnd::abandon)) {
    lane = lane_.get();
}

LogThread::~LogThread() {
    lane = nullptr;
    auto done = std::make_shared<std::promise<void>>();
    auto written = done->get_future();
    lane_->run([done] { done->set_value(); });
    written.wait_for(kLastWords);
}

}  // namespace ksms
