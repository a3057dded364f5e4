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

// From SIGTERM to SIGKILL of a worker.
constexpr std::chrono::seconds kWorkerStopTime{15};
// From the order to the lease: planning, and ten seconds in the kernel's queue for a DSCP. No other
// job starts meanwhile.
constexpr std::chrono::seconds kStartTime{25};
// Attempts, five seconds apart. If another lease still has the job's name then, the job fails.
constexpr unsigned kMostNameless = 12;
// A worker that SIGKILL does not end is blocked in the kernel. It is given up after this time.
constexpr std::chrono::seconds kDeathTime{3};

std::chrono::nanoseconds now() {
    return monotonic().time_since_epoch();
}

}  // namespace

SchedulerLimits scheduler_limits(const Config& config) {
    return {.max_parallel_fast_jobs = config.max_parallel_fast_jobs,
            .most_user = config.service.max_parallel_user != 0
                             ? config.service.max_parallel_user
                             : (config.max_parallel_fast_jobs * 3 + 3) / 4,
            .parallel = config.parallel_execution,
            .registry_enabled = config.registry_enabled,
            .leases = capacity(config.limits)};
}

JobBoard::JobBoard(asio::io_context& io, JobStore store, const Config& config, WorkerHome home)
    : io_(io),
      records_(io, std::move(store), config.service.state_directory),
      scheduler_(scheduler_limits(config)),
      pool_(io, home),
      config_(config),
      pin_root_(std::move(home.pin_root)),
      timers_(std::make_unique<Timers>(io)) {
    pool_.prepare();
}

JobBoard::~JobBoard() = default;

void JobBoard::reload(const Config& config) {
    config_ = config;
    scheduler_.reload(scheduler_limits(config));
    pump();
}

JobBoard::Load JobBoard::load_of(uid_t uid) const {
    const auto found = loads_.find(uid);
    return found == loads_.end() ? Load{} : found->second;
}

void JobBoard::count(const Job& job, bool more) {
    auto& of_user = loads_[job.uid];
    for (auto* load : {&load_, &of_user}) {
        load->jobs += more ? 1 : -1;
        load->bytes += more ? job.request.size() : -job.request.size();
    }
    if (of_user.jobs == 0) loads_.erase(job.uid);
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

void JobBoard::submit(Job job, std::shared_ptr<const ScanRequest> request,
                      Records::Then<Submitted> then) {
    const auto wish = std::exchange(job.dscp, std::nullopt);
    job.submitted_at = realtime_s();
    count(job, true);
    records_.submit(job, [this, job, request = std::move(request), wish,
                          then = std::move(then)](Result<Submitted> submitted) {
        if (!submitted || submitted->existed) {
            count(job, false);
            return then(std::move(submitted));
        }
        ++figures_.submitted.at(index_of(job.type));
        log(LogLevel::debug, "submitted", fields_of(job));
        enqueue(submitted->job, wish);
        jobs_.at(job.id).request = request;
        then(std::move(submitted));
        pump();
    });
}

const Job* JobBoard::live(const std::string& id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? nullptr : &found->second.job;
}

std::optional<Job> JobBoard::remembered(const std::string& id) const {
    if (const auto* job = live(id)) return *job;
    const auto unsaved = unsaved_.find(id);
    return unsaved == unsaved_.end() ? std::nullopt : std::optional(*unsaved->second.job);
}

void JobBoard::find(const std::string& id, Records::Then<Job> then) {
    if (auto job = remembered(id)) return then(std::move(*job));
    records_.find(id, std::move(then));
}

Subscription JobBoard::watch(const Job& job, std::uint64_t after, JobEvents::Listener listener) {
    if (events_.knows(job.id)) return events_.watch(job.id, after, std::move(listener));
    // Its events are no longer kept.
    listener({1, "state", job_text(job, false)});
    listener({2, "end", job_state_text(job)});
    return {};
}

/// The job is already counted.
void JobBoard::enqueue(Job job, std::optional<int> wish) {
    scheduler_.add({job.id, job.sequence, job.type, job.uid, wish});
    tell_state(job);
    Live live;
    live.wish = wish;
    live.job = std::move(job);
    jobs_.emplace(live.job.id, std::move(live));
}

void JobBoard::tell_state(const Job& job) {
    events_.add(job.id, "state", job_text(job, false));
}

/// @return nullptr for a job that has ended, which must not change any more
JobBoard::Live* JobBoard::find_live(const std::string& id) {
    const auto found = jobs_.find(id);
    return found == jobs_.end() || found->second.ending ? nullptr : &found->second;
}

void JobBoard::pump() {
    if (stopping_) return;
    while (const auto id = scheduler_.next(now())) start(*id);
    say_mode();
    timers_->next.cancel();
    const auto deadline = scheduler_.next_deadline();
    if (!deadline) return;
    timers_->next.expires_after(std::max(*deadline - now(), std::chrono::nanoseconds(0)));
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
    live.asked_at = realtime_s();
    live.stage = "start";
    const auto order = make_order(live.job, live.request.get(), config_, pin_root_);
    if (!order) return finish(id, JobState::failed, error_object(order.error()));
    const auto started =
        pool_.run(*order, {[this, id](const std::string& event, const nlohmann::json& data) {
                               on_event(id, event, data);
                           },
                           [this, id](std::string document) {
                               if (auto* of = find_live(id)) of->result = std::move(document);
                           },
                           [this, id](const RunEnd& end) { on_end(id, end); },
                           [this, id](const std::string& how) { on_died(id, how); }});
    if (started)
        return patience(id, kStartTime,
                        fmt::format("did not start within {} s", kStartTime.count()));
    RunEnd end;
    end.error = error_object(started.error());
    end.how = RunEnd::How::short_of;
    const auto what = shortage(started.error());
    log(LogLevel::warning, started.error().text(), fields_of(live.job));
    back(id, scheduler_.short_of(id, what.empty() ? "processes" : what, now()), end);
}

void JobBoard::patience(const std::string& id, std::chrono::seconds time, std::string why) {
    auto& timer = timers_->patience[id];
    timer = std::make_unique<asio::steady_timer>(io_, time);
    timer->async_wait([this, id, why = std::move(why)](error_code failed) {
        auto* live = failed ? nullptr : find_live(id);
        if (live == nullptr) return;
        live->gave_up = fmt::format("{}, at: {}", why, live->stage);
        log(LogLevel::error, live->gave_up + ": its worker is killed", fields_of(live->job));
        pool_.kill(id);
        auto& last = timers_->patience[id];
        last = std::make_unique<asio::steady_timer>(io_, kDeathTime);
        last->async_wait([this, id](error_code ended) {
            if (!ended) pool_.give_up(id);
        });
    });
}

void JobBoard::on_event(const std::string& id, const std::string& event,
                        const nlohmann::json& data) {
    auto* live = find_live(id);
    if (live == nullptr) return;
    if (event == "leased") return on_leased(*live, data.value("dscp", -1));
    if (event == "progress") live->stage = data.value("stage", live->stage);
    if (event == "progress" || event == "verdict") events_.add(id, event, dump(data));
}

void JobBoard::on_leased(Live& live, int dscp) {
    auto& job = live.job;
    if (job.state == JobState::running) return;
    if (!scheduler_.leased(job.id, dscp)) {
        log(LogLevel::error, "it has a DSCP and was not asked to start", fields_of(job));
        return;
    }
    if (!live.cancelled) timers_->patience.erase(job.id);
    job.state = JobState::running;
    job.started_at = realtime_s();
    job.dscp = dscp;
    records_.started(job.id, dscp, job.started_at);
    figures_.start_delay.at(index_of(job.type)).add(job.started_at - job.submitted_at);
    figures_.lease_wait.add(job.started_at - live.asked_at);
    tell_state(job);
    pump();
}

void JobBoard::on_end(const std::string& id, const RunEnd& end) {
    auto* live = find_live(id);
    if (live == nullptr) return;
    const bool runs = live->job.state == JobState::running;
    if (live->cancelled) {
        finish(id, JobState::cancelled, "");
    } else if (end.how == RunEnd::How::no_dscp && !runs) {
        back(id, scheduler_.no_lease(id, now(), live->wish.has_value()), end);
    } else if (end.how == RunEnd::How::no_name && !runs && ++live->nameless < kMostNameless) {
        // Other jobs start meanwhile.
        back(id, scheduler_.no_lease(id, now(), true), end);
    } else if (end.how == RunEnd::How::short_of) {
        back(id, scheduler_.short_of(id, end.what, now()), end);
    } else if (end.how == RunEnd::How::stopped) {
        back(id, scheduler_.requeue(id), end);
    } else {
        const bool done = end.how == RunEnd::How::done;
        figures_.yes += end.yes;
        figures_.no += end.no;
        figures_.unknown += end.unknown;
        figures_.mixed += end.mixed;
        figures_.sent += end.sent;
        figures_.resent += end.resent;
        figures_.lost += end.lost;
        if (done)
            figures_.scan.at(index_of(live->job.type)).add(realtime_s() - live->job.started_at);
        finish(id, done ? JobState::done : JobState::failed, end.error);
    }
    after_one();
}

void JobBoard::on_died(const std::string& id, const std::string& how) {
    auto* live = find_live(id);
    if (live == nullptr) return;
    if (live->cancelled) {
        finish(id, JobState::cancelled, "");
    } else if (!live->gave_up.empty()) {
        // It blocked the other jobs once. It does not run again.
        finish(id, JobState::failed,
               failure("the job " + live->gave_up,
                       "`ksmsctl doctor`, and `ksmsctl scan` with the same options, may say why"));
    } else if (stopping_ || live->job.runs + 1 < kMostRuns) {
        log(LogLevel::error, fmt::format("its worker ended by {}: it runs again", how),
            fields_of(live->job));
        ++live->job.runs;
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
    timers_->patience.erase(id);
    if (returned == Returned::cancelled) return finish(id, JobState::cancelled, "");
    if (returned == Returned::given_up || returned == Returned::unknown)
        return finish(id, JobState::failed, end.error);
    live.result.clear();
    live.gave_up.clear();
    if (live.job.state != JobState::running) return;
    records_.requeued(id, how);
    live.job.state = JobState::queued;
    live.job.started_at = 0;
    live.job.dscp.reset();
    events_.restart(id);
    tell_state(live.job);
}

void JobBoard::cancel(const std::string& id, std::function<void(const Job&)> then) {
    auto* live = find_live(id);
    if (live == nullptr) return then(jobs_.at(id).job);  // over by itself, in this moment
    if (scheduler_.cancel(id) != Cancelled::stop) {
        live->when_over = std::move(then);
        finish(id, JobState::cancelled, "");
        return pump();
    }
    // A second cancel does not extend the worker's time.
    if (!std::exchange(live->cancelled, true)) {
        pool_.stop(id);
        patience(id, kWorkerStopTime, "did not end when it was told to");
    }
    then(live->job);
}

bool JobBoard::is_idle() const {
    return pool_.busy() == 0 &&
           std::ranges::none_of(unsaved_, [](const auto& each) { return each.second.writing; });
}

void JobBoard::after_one() {
    if (!stopping_) return pump();
    if (is_idle() && stopped_) std::exchange(stopped_, nullptr)();
}

void JobBoard::stop(std::function<void()> done) {
    stopping_ = true;
    timers_->next.cancel();
    for (const auto& [id, over] : unsaved_) save(id);
    if (is_idle()) return done();
    stopped_ = std::move(done);
    pool_.stop_all();
}

void JobBoard::kill_all() {
    std::vector<std::string> ids;
    for (const auto& [id, live] : jobs_) ids.push_back(id);
    for (const auto& id : ids) pool_.kill(id);
}

}  // namespace ksms
