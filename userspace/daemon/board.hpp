// SPDX-License-Identifier: BSD-2-Clause
// Jobs from their submission to their end: the queue on disk, the scheduler, the workers, and who
// watches, held together. One thread, that of the io_context.
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
#include "queue/scheduler.hpp"
#include "queue/store.hpp"

namespace boost::asio {
class io_context;
}

namespace ksms {

class JobBoard {
public:
    /// @param store  its unfinished jobs are taken up again by recover()
    JobBoard(boost::asio::io_context& io, JobStore store, const Config& config,
             std::string pin_root);
    JobBoard(const JobBoard&) = delete;
    JobBoard& operator=(const JobBoard&) = delete;
    ~JobBoard();

    /// What an earlier ksmsd left: queued jobs queue again, and those that ran, too, unless they
    /// were interrupted so often that they may be the reason.
    Status recover();
    /// New limits; running jobs go on as they were started.
    void reload(const Config& config);
    /// Starts no job any more and ends those that run; they queue again when the next ksmsd starts.
    /// @param done  called once, when nothing runs; at once where nothing does
    void stop(std::function<void()> done);
    /// Ends what does not want to end.
    void kill_all();

    /// On disk when it returns. Of `job`: id, type, user, uid, request, and the DSCP that it asks
    /// for as dscp.
    Result<Submitted> submit(Job job);
    /// As it stands now; where the disk is full, later than what is on it.
    Result<Job> find(const std::string& id, bool with_result = true);
    Result<std::vector<Job>> list(const JobFilter& filter);
    /// @return the job after it; Code::not_found
    Result<Job> cancel(const std::string& id);
    Subscription watch(const Job& job, std::uint64_t after, JobEvents::Listener listener);

    [[nodiscard]] std::uint64_t unfinished() const { return jobs_.size(); }
    [[nodiscard]] std::uint64_t unfinished_of(uid_t uid) const;
    [[nodiscard]] bool is_stopping() const { return stopping_; }
    [[nodiscard]] const Figures& figures() const { return figures_; }
    [[nodiscard]] Figures& figures() { return figures_; }
    [[nodiscard]] const WorkerPool& pool() const { return pool_; }
    [[nodiscard]] SchedulerMode mode() const { return scheduler_.mode(); }
    [[nodiscard]] JobStore& store() { return store_; }
    /// Jobs that are over and could not be written down yet.
    [[nodiscard]] std::size_t unsaved() const { return unsaved_.size(); }
    struct Counts {
        PerType<std::uint64_t> queued{}, running{};
        double oldest_queued{0};  ///< seconds since the epoch; 0: none
    };
    [[nodiscard]] Counts counts() const;

private:
    /// A job that is not finished.
    struct Live {
        Job job;  ///< without request and result
        std::optional<int> wish;
        double asked_at{0};  ///< for its DSCP
        bool cancelled{false};
        std::string result;
    };
    struct Timers;

    void pump();
    void start(const std::string& id);
    void on_event(const std::string& id, const std::string& event, const nlohmann::json& data);
    void on_leased(Live& live, int dscp);
    void on_end(const std::string& id, const RunEnd& end);
    void on_died(const std::string& id, const std::string& how);
    /// It goes back into the queue, unless it is over by that.
    void back(const std::string& id, Returned returned, const RunEnd& end,
              RunEnded how = RunEnded::given_back);
    void finish(const std::string& id, JobState state, const std::string& error);
    void save(Job job);
    void save_later();
    void save_again();
    /// Whether the database was damaged and is sound again: what failed may be tried once more.
    bool repaired(const Error& error);
    Result<Job> stored(const std::string& id, bool with_result);
    void enqueue(Job job, std::optional<int> wish);
    void fill_request(Job& job);
    void tell_state(Job job);
    void say_mode();
    void after_one();

    boost::asio::io_context& io_;
    JobStore store_;
    Scheduler scheduler_;
    WorkerPool pool_;
    JobEvents events_;
    Figures figures_;
    Config config_;
    std::string pin_root_;
    std::map<std::string, Live> jobs_;
    std::map<std::string, Job> unsaved_;
    std::string mode_said_;
    bool stopping_{false};
    std::function<void()> stopped_;
    std::unique_ptr<Timers> timers_;
};

[[nodiscard]] SchedulerLimits scheduler_limits(const Config& config);

}  // namespace ksms
