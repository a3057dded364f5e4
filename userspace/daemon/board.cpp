// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/board.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/clock.hpp"
#include "daemon/board_parts.hpp"
#include "daemon/job_text.hpp"
#include "daemon/log.hpp"

namespace ksms {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds kStopTime{15};

nanoseconds now() {
    return nanoseconds(monotonic_ns());
}

std::size_t index_of(JobType type) {
    return type == JobType::fast ? 0 : 1;
}

}  // namespace

SchedulerLimits scheduler_limits(const Config& config) {
    return {config.max_parallel_fast_jobs, config.parallel_execution, config.registry_enabled,
            capacity(config.limits)};
}

JobBoard::JobBoard(asio::io_context& io, JobStore store, const Config& config, std::string pin_root)
    : io_(io),
      store_(std::move(store)),
      scheduler_(scheduler_limits(config)),
      pool_(io, pin_root),
      config_(config),
      pin_root_(std::move(pin_root)),
      timers_(std::make_unique<Timers>(io)) {
    pool_.prepare();
}

JobBoard::~JobBoard() = default;

void JobBoard::reload(const Config& config) {
    config_ = config;
    scheduler_.reload(scheduler_limits(config));
    pump();
}

std::uint64_t JobBoard::unfinished_of(uid_t uid) const {
    return static_cast<std::uint64_t>(std::ranges::count_if(
        jobs_, [uid](const auto& each) { return each.second.job.uid == uid; }));
}

JobBoard::Counts JobBoard::counts() const {
    Counts counts;
    for (const auto& [id, live] : jobs_) {
        auto& in = live.job.state == JobState::running ? counts.running : counts.queued;
        ++in.at(index_of(live.job.type));
        if (live.job.state == JobState::queued &&
            (counts.oldest_queued == 0 || live.job.submitted_at < counts.oldest_queued))
            counts.oldest_queued = live.job.submitted_at;
    }
    return counts;
}

Result<Submitted> JobBoard::submit(Job job) {
    const auto wish = std::exchange(job.dscp, std::nullopt);
    job.submitted_at = realtime_s();
    auto submitted = store_.submit(job);
    if (!submitted) {
        ++figures_.database_errors;
        if (!repaired(submitted.error())) return submitted;
        submitted = store_.submit(job);
        if (!submitted) return submitted;
    }
    if (submitted->existed) return submitted;
    ++figures_.submitted.at(index_of(job.type));
    enqueue(submitted->job, wish);
    log(LogLevel::debug, "submitted", fields_of(job));
    pump();
    return submitted;
}

Result<Job> JobBoard::find(const std::string& id, bool with_result) {
    if (const auto unsaved = unsaved_.find(id); unsaved != unsaved_.end()) return unsaved->second;
    auto job = stored(id, with_result);
    if (!job) return job;
    if (const auto live = jobs_.find(id); live != jobs_.end()) {
        // What could not be written is known all the same.
        job->state = live->second.job.state;
        job->started_at = live->second.job.started_at;
        job->dscp = live->second.job.dscp;
    }
    return job;
}

Subscription JobBoard::watch(const Job& job, std::uint64_t after, JobEvents::Listener listener) {
    if (events_.knows(job.id)) return events_.watch(job.id, after, std::move(listener));
    // Over for so long that its events are not kept.
    listener({1, "state", job_text(job, false)});
    listener({2, "end", job_state_text(job)});
    return {};
}

void JobBoard::enqueue(Job job, std::optional<int> wish) {
    scheduler_.add(job.id, job.sequence, job.type, wish);
    tell_state(job);
    job.request.clear();
    Live live;
    live.wish = wish;
    live.job = std::move(job);
    jobs_.emplace(live.job.id, std::move(live));
}

/// Requests are not kept in memory: one is read again where it is shown.
void JobBoard::fill_request(Job& job) {
    if (!job.request.empty()) return;
    const auto found = stored(job.id, false);
    job.request = found ? found->request : "{}";
}

void JobBoard::tell_state(Job job) {
    fill_request(job);
    events_.add(job.id, "state", job_text(job, false));
}

void JobBoard::pump() {
    if (stopping_) return;
    while (const auto id = scheduler_.next(now())) start(*id);
    say_mode();
    timers_->next.cancel();
    const auto deadline = scheduler_.next_deadline();
    if (!deadline) return;
    timers_->next.expires_after(std::max(*deadline - now(), nanoseconds(0)));
    timers_->next.async_wait([this](error_code failed) {
        if (!failed) pump();
    });
}

void JobBoard::say_mode() {
    auto mode = scheduler_.mode();
    const auto text =
        mode.why == SchedulerMode::Why::shortage || mode.why == SchedulerMode::Why::no_lease
            ? mode.text
            : std::string();
    if (text == mode_said_) return;
    log(text.empty() ? LogLevel::notice : LogLevel::warning,
        text.empty() ? "jobs run in parallel as configured again" : text);
    mode_said_ = text;
}

void JobBoard::start(const std::string& id) {
    auto& live = jobs_.at(id);
    const auto found = stored(id, false);
    if (!found) return finish(id, JobState::failed, error_object(found.error()));
    live.asked_at = realtime_s();
    const Order order{id, live.job.user, found->request, pin_root_, config_.text, config_.name};
    const auto started =
        pool_.run(order, {[this, id](const std::string& event, const nlohmann::json& data) {
                              on_event(id, event, data);
                          },
                          [this, id](std::string document) {
                              if (const auto of = jobs_.find(id); of != jobs_.end())
                                  of->second.result = std::move(document);
                          },
                          [this, id](const RunEnd& end) { on_end(id, end); },
                          [this, id](const std::string& how) { on_died(id, how); }});
    if (started) return;
    RunEnd end;
    end.error = error_object(started.error());
    end.how = RunEnd::How::short_of;
    const auto what = shortage(started.error());
    log(LogLevel::warning, started.error().text(), fields_of(live.job));
    back(id, scheduler_.short_of(id, what.empty() ? "processes" : what, now()), end);
}

void JobBoard::on_event(const std::string& id, const std::string& event,
                        const nlohmann::json& data) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return;
    if (event == "leased")
        on_leased(found->second, data.value("dscp", -1));
    else if (event == "progress" || event == "verdict")
        events_.add(id, event, data.dump());
}

void JobBoard::on_leased(Live& live, int dscp) {
    auto& job = live.job;
    if (job.state == JobState::running) return;
    if (const auto known = scheduler_.leased(job.id, dscp); !known)
        log(LogLevel::error, known.error().text(), fields_of(job));
    job.state = JobState::running;
    job.started_at = realtime_s();
    job.dscp = dscp;
    if (const auto written = store_.started(job.id, dscp, job.started_at); !written) {
        ++figures_.database_errors;
        log(LogLevel::warning, written.error().text(), fields_of(job));
    }
    figures_.start_delay.at(index_of(job.type)).add(job.started_at - job.submitted_at);
    figures_.lease_wait.add(job.started_at - live.asked_at);
    tell_state(live.job);
    pump();
}

void JobBoard::on_end(const std::string& id, const RunEnd& end) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return;
    auto& live = found->second;
    const bool runs = live.job.state == JobState::running;
    if (live.cancelled) {
        finish(id, JobState::cancelled, "");
    } else if (end.how == RunEnd::How::no_dscp && !runs) {
        back(id, scheduler_.no_lease(id, now(), live.wish.has_value()), end);
    } else if (end.how == RunEnd::How::short_of) {
        back(id, scheduler_.short_of(id, end.what, now()), end);
    } else if (end.how == RunEnd::How::stopped) {
        back(id, scheduler_.requeue(id), end);
    } else {
        const bool done = end.how == RunEnd::How::done;
        figures_.yes += end.yes;
        figures_.no += end.no;
        figures_.unknown += end.unknown;
        figures_.sent += end.sent;
        figures_.resent += end.resent;
        figures_.lost += end.lost;
        if (done) figures_.scan.at(index_of(live.job.type)).add(realtime_s() - live.job.started_at);
        finish(id, done ? JobState::done : JobState::failed, end.error);
    }
    after_one();
}

void JobBoard::on_died(const std::string& id, const std::string& how) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return;
    auto& live = found->second;
    if (live.cancelled) {
        finish(id, JobState::cancelled, "");
    } else if (stopping_ || live.job.runs + 1 < kMostRuns) {
        log(LogLevel::error, fmt::format("its worker ended by {}: it runs again", how),
            fields_of(live.job));
        ++live.job.runs;
        RunEnd end;
        end.error = failure("its process ended by " + how, {});
        back(id, scheduler_.requeue(id), end, RunEnded::interrupted);
    } else {
        finish(id, JobState::interrupted,
               failure(fmt::format("its process ended by {}, each of {} times", how, kMostRuns),
                       "`journalctl -u ksmsd` and `ksmsctl doctor` may say why"));
    }
    after_one();
}

void JobBoard::back(const std::string& id, Returned returned, const RunEnd& end, RunEnded how) {
    auto& live = jobs_.at(id);
    if (returned == Returned::cancelled) return finish(id, JobState::cancelled, "");
    if (returned == Returned::given_up || returned == Returned::unknown)
        return finish(id, JobState::failed, end.error);
    live.result.clear();
    if (live.job.state == JobState::running) {
        if (const auto written = store_.requeued(id, how); !written) ++figures_.database_errors;
        live.job.state = JobState::queued;
        live.job.started_at = 0;
        live.job.dscp.reset();
        events_.restart(id);
        tell_state(live.job);
    }
}

void JobBoard::finish(const std::string& id, JobState state, const std::string& error) {
    auto node = jobs_.extract(id);
    if (node.empty()) return;
    auto& live = node.mapped();
    scheduler_.finished(id, now());
    timers_->patience.erase(id);
    auto& job = live.job;
    job.state = state;
    job.finished_at = realtime_s();
    job.error = error;
    job.result = std::move(live.result);
    ++figures_.finished.at(index_of(job.type))[name_of(state)];
    log(LogLevel::info, name_of(state), fields_of(job));
    save(job);
    fill_request(job);
    events_.add(id, "state", job_text(job, false));
    events_.end(id, job_state_text(job));
}

Result<Job> JobBoard::cancel(const std::string& id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return find(id, false);
    switch (scheduler_.cancel(id)) {
        case Cancelled::removed:
        case Cancelled::unknown: finish(id, JobState::cancelled, ""); break;
        case Cancelled::stop: {
            found->second.cancelled = true;
            pool_.stop(id);
            auto& patience = timers_->patience[id];
            patience = std::make_unique<asio::steady_timer>(io_, kStopTime);
            patience->async_wait([this, id](error_code failed) {
                if (!failed) pool_.kill(id);
            });
        }
    }
    auto job = find(id, false);
    pump();
    return job;
}

void JobBoard::after_one() {
    if (!stopping_) return pump();
    if (pool_.busy() == 0 && stopped_) std::exchange(stopped_, nullptr)();
}

void JobBoard::stop(std::function<void()> done) {
    stopping_ = true;
    timers_->next.cancel();
    if (pool_.busy() == 0) return done();
    stopped_ = std::move(done);
    pool_.stop_all();
}

void JobBoard::kill_all() {
    std::vector<std::string> ids;
    for (const auto& [id, live] : jobs_) ids.push_back(id);
    for (const auto& id : ids) pool_.kill(id);
}

}  // namespace ksms
