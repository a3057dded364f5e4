// SPDX-License-Identifier: BSD-2-Clause
// Jobs from submission to end. Connects the queue on disk, the scheduler, the workers and the
// watchers. Runs on the thread of the io_context and never blocks it: disk access is asynchronous
// (records.hpp).
//
//     submit() -> on disk -> queued -> starting -> running -> ending -> on disk -> over
//                              ^-----------+----------+
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "config/config.hpp"
#include "daemon/figures.hpp"
#include "daemon/job_events.hpp"
#include "daemon/pool.hpp"
#include "daemon/records.hpp"
#include "queue/scheduler.hpp"

namespace boost::asio {
class io_context;
}

namespace ksms {

class JobBoard {
public:
    /// @param store  recover() takes up its unfinished jobs
    JobBoard(boost::asio::io_context& io, JobStore store, const Config& config, WorkerHome home);
    JobBoard(const JobBoard&) = delete;
    JobBoard& operator=(const JobBoard&) = delete;
    ~JobBoard();

    /// Queues the jobs again that an earlier ksmsd left queued or running. A job that was
    /// interrupted kMostRuns times is not run again: it may be the cause.
    Status recover();
    /// Applies new limits. Running jobs keep the limits they were started with.
    void reload(const Config& config);
    /// Starts no more jobs and stops the running ones; the next ksmsd queues them again.
    /// @param done  called once, when no job runs
    void stop(std::function<void()> done);
    /// Sends SIGKILL to all workers.
    void kill_all();

    /// The job is on disk when `then` is called.
    /// @param job  id, type, user, uid, request, and the requested DSCP as dscp are used
    /// @param request  the parsed request; nullptr: it is parsed again when the job starts
    void submit(Job job, std::shared_ptr<const ScanRequest> request, Records::Then<Submitted> then);
    /// @return an unfinished job in its present state, without its result; nullptr if there is none
    [[nodiscard]] const Job* live(const std::string& id) const;
    /// @return a job in memory: unfinished, or finished and not written to disk yet
    [[nodiscard]] std::optional<Job> remembered(const std::string& id) const;
    /// The job's present state, without a result that is on disk. Code::not_found if there is none.
    void find(const std::string& id, Records::Then<Job> then);
    /// @param id  of a job that is live()
    /// @param then  gets the job afterwards; if that ended the job, it is on disk
    void cancel(const std::string& id, std::function<void(const Job&)> then);
    Subscription watch(const Job& job, std::uint64_t after, JobEvents::Listener listener);
    /// Removes finished jobs beyond the retention limits. @param then  whether there are more to
    /// remove
    void prune(std::function<void(bool more)> then);

    /// Unfinished jobs, including those that are being written to disk, and the bytes of their
    /// requests.
    struct Load {
        std::uint64_t jobs{0}, bytes{0};
    };
    [[nodiscard]] Load load() const { return load_; }
    [[nodiscard]] Load load_of(uid_t uid) const;
    [[nodiscard]] bool is_stopping() const { return stopping_; }
    [[nodiscard]] const Figures& figures() const { return figures_; }
    [[nodiscard]] Figures& figures() { return figures_; }
    [[nodiscard]] const WorkerPool& pool() const { return pool_; }
    [[nodiscard]] SchedulerMode mode() const { return scheduler_.mode(); }
    [[nodiscard]] Records& records() { return records_; }
    [[nodiscard]] const Records& records() const { return records_; }
    /// Finished jobs that are not on disk yet.
    [[nodiscard]] std::size_t unsaved() const { return unsaved_.size(); }
    struct Counts {
        PerType<std::uint64_t> queued{}, running{};
        double oldest_queued{0};  ///< seconds since the epoch; 0: none
    };
    [[nodiscard]] Counts counts() const;

private:
    /// An unfinished job.
    struct Live {
        Job job;                                     ///< without its result
        std::shared_ptr<const ScanRequest> request;  ///< parsed; nullptr: not yet
        std::optional<int> wish;
        double asked_at{0};  ///< for its DSCP
        bool cancelled{false};
        unsigned nameless{0};  ///< how often another lease had its name
        bool ending{false};    ///< finished, being written to disk
        std::string stage;     ///< last one that its worker reported
        std::string gave_up;   ///< why we killed its worker
        std::string result;
        std::function<void(const Job&)> when_over;
    };
    struct Timers;

    void pump();
    void start(const std::string& id);
    void on_event(const std::string& id, const std::string& event, const nlohmann::json& data);
    void on_leased(Live& live, int dscp);
    void on_end(const std::string& id, const RunEnd& end);
    void on_died(const std::string& id, const std::string& how);
    /// Puts the job back into the queue, or finishes it if `returned` says so.
    void back(const std::string& id, Returned returned, const RunEnd& end,
              RunEnded how = RunEnded::given_back);
    void finish(const std::string& id, JobState state, const std::string& error);
    void save(const std::string& id);
    void saved(const std::string& id, const Status& written);
    void save_later();
    /// Kills the worker after this time, and gives it up if it does not die.
    void patience(const std::string& id, std::chrono::seconds time, std::string why);
    [[nodiscard]] Live* find_live(const std::string& id);
    void enqueue(Job job, std::optional<int> wish);
    void count(const Job& job, bool more);
    void tell_state(const Job& job);
    void say_mode();
    void after_one();
    [[nodiscard]] bool is_idle() const;

    boost::asio::io_context& io_;
    Records records_;
    Scheduler scheduler_;
    WorkerPool pool_;
    JobEvents events_;
    Figures figures_;
    Config config_;
    std::string pin_root_;
    std::map<std::string, Live> jobs_;
    Load load_;
    std::map<uid_t, Load> loads_;
    /// Finished, and not on disk yet. A failed write is tried again.
    struct Over {
        std::shared_ptr<const Job> job;
        bool writing{false};
        bool once_more{true};  ///< one more attempt while ksmsd stops
    };
    std::map<std::string, Over> unsaved_;
    std::string mode_said_;
    bool stopping_{false};
    std::function<void()> stopped_;
    std::unique_ptr<Timers> timers_;
};

[[nodiscard]] SchedulerLimits scheduler_limits(const Config& config);

}  // namespace ksms
