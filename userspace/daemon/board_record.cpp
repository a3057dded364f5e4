// SPDX-License-Identifier: BSD-2-Clause
// The board and its database: what an earlier ksmsd left, and what cannot be written just now.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/clock.hpp"
#include "daemon/board.hpp"
#include "daemon/board_parts.hpp"
#include "daemon/job_text.hpp"

namespace ksms {
namespace {

using boost::system::error_code;

constexpr std::chrono::seconds kSaveAgain{1};

}  // namespace

Status JobBoard::recover() {
    auto& store = records_.at_start();
    KSMS_TRY(auto unfinished, store.unfinished());
    for (auto& job : unfinished) {
        if (job.state == JobState::running && job.runs >= kMostRuns) {
            KSMS_CHECK(store.finished(
                job.id, JobState::interrupted, "",
                failure(fmt::format("ksmsd ended while it ran, {} times", job.runs),
                        "`journalctl -u ksmsd` says why; submit it again under another id"),
                realtime_s()));
            log(LogLevel::warning, "a job was interrupted too often: given up", fields_of(job));
            continue;
        }
        if (job.state == JobState::running) {
            KSMS_CHECK(store.requeued(job.id, RunEnded::interrupted));
            log(LogLevel::notice, "a job was interrupted: it runs again", fields_of(job));
        }
        job.state = JobState::queued;
        job.started_at = 0;
        const auto request = nlohmann::json::parse(job.request, nullptr, false);
        const std::optional<int> wish =
            request.contains("dscp") && request["dscp"].is_number_integer()
                ? std::optional(request["dscp"].get<int>())
                : std::nullopt;
        count(job, true);
        enqueue(std::move(job), wish);
    }
    pump();
    return {};
}

/// Frees the job's slot and DSCP at once. Clients see it as finished when it is on disk.
void JobBoard::finish(const std::string& id, JobState state, const std::string& error) {
    auto* live = find_live(id);
    if (live == nullptr) return;
    live->ending = true;
    scheduler_.finished(id, monotonic().time_since_epoch());
    timers_->patience.erase(id);
    auto over = std::make_shared<Job>(live->job);
    over->state = state;
    over->finished_at = realtime_s();
    over->error = error;
    over->result = std::move(live->result);
    ++figures_.finished.at(index_of(over->type))[name_of(state)];
    log(LogLevel::info, name_of(state), fields_of(*over));
    unsaved_[id].job = over;
    save(id);
}

void JobBoard::save(const std::string& id) {
    auto& over = unsaved_.at(id);
    if (std::exchange(over.writing, true)) return;
    records_.finished(over.job, [this, id](const Status& written) { saved(id, written); });
}

/// A job that could not be written is finished anyway, and kept in memory until it can be.
void JobBoard::saved(const std::string& id, const Status& written) {
    auto& over = unsaved_.at(id);
    over.writing = false;
    if (auto node = jobs_.extract(id); !node.empty()) {
        count(node.mapped().job, false);
        tell_state(*over.job);
        events_.end(id, job_state_text(*over.job));
        if (const auto& then = node.mapped().when_over) then(*over.job);
    }
    // An error without errno: the database answered; the job is finished there, or gone.
    if (written || written.error().err == 0)
        unsaved_.erase(id);
    else if (stopping_ && std::exchange(over.once_more, false))
        save(id);
    else
        save_later();
    after_one();
}

void JobBoard::save_later() {
    timers_->save.expires_after(kSaveAgain);
    timers_->save.async_wait([this](error_code failed) {
        if (failed) return;
        for (const auto& [id, over] : unsaved_) save(id);
    });
}

void JobBoard::prune(std::function<void(bool more)> then) {
    const Retention keep{Seconds(config_.service.keep_for).count(), config_.service.keep_jobs,
                         config_.service.keep_bytes};
    records_.prune(keep, [then = std::move(then)](const Result<Pruned>& pruned) {
        if (!pruned) log(LogLevel::warning, pruned.error().text());
        then(pruned && pruned->more);
    });
}

}  // namespace ksms
