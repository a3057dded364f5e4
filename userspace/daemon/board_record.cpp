// SPDX-License-Identifier: BSD-2-Clause
// The board and its database: what an earlier ksmsd left, and what cannot be written just now.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "daemon/board.hpp"
#include "daemon/board_parts.hpp"

namespace ksms {
namespace {

using boost::system::error_code;

constexpr std::chrono::seconds kSaveAgain{1};

}  // namespace

Status JobBoard::recover() {
    KSMS_TRY(auto unfinished, store_.unfinished());
    for (auto& job : unfinished) {
        if (job.state == JobState::running && job.runs >= kMostRuns) {
            KSMS_CHECK(store_.finished(
                job.id, JobState::interrupted, "",
                failure(fmt::format("ksmsd ended while it ran, {} times", job.runs),
                        "`journalctl -u ksmsd` says why; submit it again under another id"),
                realtime_s()));
            log(LogLevel::warning, "a job was interrupted too often: given up", fields_of(job));
            continue;
        }
        if (job.state == JobState::running) {
            KSMS_CHECK(store_.requeued(job.id, RunEnded::interrupted));
            log(LogLevel::notice, "a job was interrupted: it runs again", fields_of(job));
        }
        job.state = JobState::queued;
        job.started_at = 0;
        const auto request = nlohmann::json::parse(job.request, nullptr, false);
        const std::optional<int> wish =
            request.contains("dscp") && request["dscp"].is_number_integer()
                ? std::optional(request["dscp"].get<int>())
                : std::nullopt;
        enqueue(std::move(job), wish);
    }
    pump();
    return {};
}

void JobBoard::save(Job job) {
    const auto written = store_.finished(job.id, job.state, job.result, job.error, job.finished_at);
    if (written) return;
    ++figures_.database_errors;
    repaired(written.error());
    log(LogLevel::error, written.error().text(), fields_of(job));
    fill_request(job);
    auto id = job.id;
    unsaved_.insert_or_assign(std::move(id), std::move(job));
    save_later();
}

void JobBoard::save_later() {
    timers_->save.expires_after(kSaveAgain);
    timers_->save.async_wait([this](error_code failed) {
        if (!failed) save_again();
    });
}

void JobBoard::save_again() {
    for (auto at = unsaved_.begin(); at != unsaved_.end();) {
        const auto& job = at->second;
        const auto written =
            store_.finished(job.id, job.state, job.result, job.error, job.finished_at);
        at =
            written || written.error().code == Code::not_found ? unsaved_.erase(at) : std::next(at);
    }
    if (!unsaved_.empty()) save_later();
}

bool JobBoard::repaired(const Error& error) {
    if (!JobStore::is_damage(error)) return false;
    const auto repaired = store_.repair(realtime_s());
    log(LogLevel::error, repaired ? "the database was damaged: set aside, and its jobs carried over"
                                  : repaired.error().text());
    return repaired.has_value();
}

Result<Job> JobBoard::stored(const std::string& id, bool with_result) {
    auto job = store_.find(id, with_result);
    if (!job && repaired(job.error())) job = store_.find(id, with_result);
    return job;
}

Result<std::vector<Job>> JobBoard::list(const JobFilter& filter) {
    auto jobs = store_.list(filter);
    if (!jobs && repaired(jobs.error())) jobs = store_.list(filter);
    return jobs;
}

}  // namespace ksms
