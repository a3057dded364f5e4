// SPDX-License-Identifier: BSD-2-Clause
// Jobs from their submission to their end: the queue on disk, the scheduler, the workers, and who
// watches, held together. One thread, that of the io_context, which nothing here blocks: the disk
// answers later (records.hpp).
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

    /// On disk when `then` is called. Of `job`: id, type, user, uid, request, and the DSCP that it
    /// asks for as dscp.
    /// @param request  what was read of its request; nullptr: it is read again when it starts
    void submit(Job job, std::shared_ptr<const ScanRequest> request, Records::Then<Submitted> then);
    /// A job that is not over as it stands now, without its result; nullptr where there is none.
    [[nodiscard]] const Job* live(const std::string& id) const;
    /// A job that is in memory: one that is not over, or not written down yet.
    [[nodiscard]] std::optional<Job> remembered(const std::string& id) const;
    /// As it stands now, without the result that is on disk; where the disk is full, later than
    /// what is on it. Code::not_found.
    void find(const std::string& id, Records::Then<Job> then);
    /// Of a job that is live(). @param then  the job after it: on disk, where it is over by that
    void cancel(const std::string& id, std::function<void(const Job&)> then);
    Subscription watch(const Job& job, std::uint64_t after, JobEvents::Listener listener);
    /// Removes jobs that are kept long enough. @param then  whether there is more to remove
    void prune(std::function<void(bool more)> then);

    /// Jobs that are not over, also those that are on their way to the disk, and their requests.
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
    /// Jobs that are over and could not be written down yet.
    [[nodiscard]] std::size_t unsaved() const { return unsaved_.size(); }
    struct Counts {
        PerType<std::uint64_t> queued{}, running{};
        double oldest_queued{0};  ///< seconds since the epoch; 0: none
    };
    [[nodiscard]] Counts counts() const;

private:
    /// A job that is not over.
    struct Live {
        Job job;                                     ///< without its result
        std::shared_ptr<const ScanRequest> request;  ///< as it was read; nullptr: it will be
        std::optional<int> wish;
        double asked_at{0};  ///< for its DSCP
        bool cancelled{false};
        unsigned nameless{0};  ///< how often its lease's name was held
        bool ending{false};    ///< it is over, and being written down
        std::string stage;     ///< that its worker told last
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
    /// It goes back into the queue, unless it is over by that.
    void back(const std::string& id, Returned returned, const RunEnd& end,
              RunEnded how = RunEnded::given_back);
    void finish(const std::string& id, JobState state, const std::string& error);
    void save(const std::string& id);
    void saved(const std::string& id, const Status& written);
    void save_later();
    /// Its worker is killed after this time, and given up where it does not die.
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
    /// Over, and not on disk yet. What could not be written is tried again.
    struct Over {
        std::shared_ptr<const Job> job;
        bool writing{false};
        bool once_more{true};  ///< at the end, when nobody comes to try it later
    };
    std::map<std::string, Over> unsaved_;
    std::string mode_said_;
    bool stopping_{false};
    std::function<void()> stopped_;
    std::unique_ptr<Timers> timers_;
};

[[nodiscard]] SchedulerLimits scheduler_limits(const Config& config);

}  // namespace ksms
