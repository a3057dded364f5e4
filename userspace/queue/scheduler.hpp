// SPDX-License-Identifier: BSD-2-Clause
// Decides which job starts next. Has no clock, threads or I/O: the caller passes times of a
// monotonic clock and events.
//
//     add ---> waiting --next()--> starting --leased()--> running --finished()--> gone
//                 ^                   |                      |
//                 +---- no_lease(), short_of(), requeue() ---+
//
// Order. next() returns the oldest job of the user with the fewest running jobs; among equals, of
// the user who was served longest ago. While a job is starting no other is returned, so DSCPs are
// requested one at a time. Fast and detailed jobs have separate slots. A job that comes back keeps
// its sequence number and is first in its user's queue.
//
// Slots. A user has at most `most_user` fast slots. Of two or more slots, one is reserved for root.
//
// No DSCP. After no_lease() no job is returned until lease_freed(), finished(), or a fallback
// deadline (1 s, doubling to 16 s) in case a wake-up was lost. A release between request and answer
// counts.
//
// A particular DSCP. A job that requests one DSCP waits for that one; later jobs may start. It is
// tried first after each release. It starves only if someone outside of this queue keeps the DSCP
// forever or always gets it first.
//
// Shortages. After short_of() only one job runs at a time. Nothing starts for a pause (250 ms,
// doubling to 30 s), then the job is tried again. After a time without shortages (5 s, doubling to
// 320 s) each finished job allows one more, up to the configured number. A job that is short eight
// times while it runs alone is given up, so that it cannot block the others.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/error.hpp"
#include "queue/job.hpp"
#include "queue/throttle.hpp"

namespace ksms {

struct SchedulerLimits {
    unsigned max_parallel_fast_jobs{8};
    unsigned most_user{64};       ///< limit of one user other than root
    bool parallel{true};          ///< ksms_parallel_execution; false: one job in all
    bool registry_enabled{true};  ///< false: no DSCP tells jobs apart, one job in all
    unsigned leases{32};          ///< DSCPs in the configured range
};

/// The result for a job that could not start.
enum class Returned {
    waiting,    ///< it will be returned again
    cancelled,  ///< it was cancelled meanwhile and removed: report it
    given_up,   ///< it was short too often and removed: report it as failed
    unknown,    ///< no such job is starting or running
};

enum class Cancelled {
    removed,  ///< it was waiting and is removed
    stop,     ///< it is starting or running: stop it, then call finished()
    unknown,
};

struct SchedulerMode {
    enum class Why { configured, serial, no_registry, no_lease, shortage };
    unsigned fast{0};        ///< fast jobs that may run at once now
    bool one_in_all{false};  ///< a detailed job counts as one of them
    Why why{Why::configured};
    std::string text;  ///< for the log and the health report
    bool operator==(const SchedulerMode&) const = default;
};

class Scheduler {
public:
    using Time = std::chrono::nanoseconds;

    explicit Scheduler(const SchedulerLimits& limits) : limits_(limits) {}

    /// Sets new limits. Running jobs continue, even if they exceed them.
    void reload(const SchedulerLimits& limits);

    struct Added {
        std::string id;
        std::uint64_t sequence{0};  ///< order of submission; must not be another job's
        JobType type{JobType::fast};
        std::uint32_t user{0};    ///< uid; 0 is root, who has no limits
        std::optional<int> dscp;  ///< the requested DSCP
    };
    /// @return false if the id or the sequence is known already; then nothing changes
    bool add(const Added& job);

    /// The job to start now, if any. Allocate its DSCP and report the result by leased(),
    /// no_lease(), short_of() or finished(). Call it again until it returns none.
    [[nodiscard]] std::optional<std::string> next(Time now);
    /// When to call next() without an event; none: only after an event.
    [[nodiscard]] std::optional<Time> next_deadline() const;

    /// The job runs. If another running job had this DSCP, it has released it and is about to end.
    /// @param dscp  none if the registry is disabled
    /// @return false if this job is not the one that is starting; then nothing changes
    [[nodiscard]] bool leased(const std::string& id, std::optional<int> dscp);
    /// The job got no DSCP.
    /// @param own_dscp  only what this job needs is taken (the requested DSCP, its lease name);
    ///                  others may be free
    Returned no_lease(const std::string& id, Time now, bool own_dscp = false);
    /// A DSCP was released.
    void lease_freed();
    /// The machine lacked a resource for the job.
    /// @param what  "memory", "descriptors", …: for mode()
    Returned short_of(const std::string& id, const std::string& what, Time now);
    /// The job stopped early and runs again.
    Returned requeue(const std::string& id);
    /// The job has ended and its DSCP is free.
    void finished(const std::string& id, Time now);
    Cancelled cancel(const std::string& id);

    [[nodiscard]] SchedulerMode mode() const;
    [[nodiscard]] std::size_t waiting() const;
    [[nodiscard]] std::size_t running() const { return running_[0] + running_[1]; }
    /// The job that is requesting its DSCP.
    [[nodiscard]] const std::optional<std::string>& starting() const { return starting_; }
    [[nodiscard]] std::optional<int> dscp_of(const std::string& id) const;

private:
    enum class Phase { waiting, starting, running };
    struct Entry {
        std::uint64_t sequence;
        JobType type;
        std::uint32_t user;
        std::optional<int> wish;  ///< the requested DSCP
        Phase phase{Phase::waiting};
        bool cancelled{false};
        unsigned shortages{0};  ///< while it ran alone
        std::optional<int> dscp;
    };
    /// Sequence numbers of one user's waiting jobs of one type, by requested DSCP.
    using Lines = std::map<std::optional<int>, std::set<std::uint64_t>>;
    struct User {
        std::array<Lines, 2> lines{};  ///< by type
        std::array<std::size_t, 2> running{};
        std::uint64_t served;  ///< when a job of this user was last returned: a count, not a time
        std::size_t jobs{0};
    };
    /// The user who is served first is less.
    struct Turn {
        std::size_t running;
        std::uint64_t served, sequence;
        auto operator<=>(const Turn&) const = default;
    };

    [[nodiscard]] unsigned configured_fast() const;
    [[nodiscard]] bool one_in_all_configured() const;
    [[nodiscard]] bool one_in_all() const;
    [[nodiscard]] static std::size_t index(JobType type) { return type == JobType::fast ? 0 : 1; }
    [[nodiscard]] bool has_slot(JobType type) const;
    [[nodiscard]] bool has_slot(JobType type, std::uint32_t uid, const User& user) const;
    [[nodiscard]] bool may_have(std::optional<int> wish) const;
    [[nodiscard]] std::optional<std::uint64_t> oldest(const Lines& lines) const;
    [[nodiscard]] std::optional<Turn> first(JobType type) const;
    void forget_what_is_over(Time now);
    void line_up(const Entry& entry);
    void leave_line(const Entry& entry);
    void bring_back_aside();
    /// Frees slot and DSCP.
    void leave_slot(Entry& entry);
    Returned back(const std::string& id, Entry& entry);
    void remove(const std::string& id);
    [[nodiscard]] Entry* active(const std::string& id);

    SchedulerLimits limits_;
    Throttle throttle_;
    std::unordered_map<std::string, Entry> jobs_;
    std::unordered_map<std::uint64_t, std::string> ids_;  ///< by sequence
    std::map<std::uint32_t, User> users_;                 ///< users with jobs
    std::set<std::uint64_t> aside_;                       ///< jobs that wait for a lease name
    std::map<int, Time> refused_;         ///< DSCPs that others hold, and when to try again
    std::map<int, std::string> holders_;  ///< DSCPs of jobs that run
    std::optional<std::string> starting_;
    std::array<std::size_t, 2> running_{};
    std::uint64_t given_{0};         ///< jobs that next() returned
    bool freed_meanwhile_{false};    ///< since next() returned the job that is starting
    std::optional<Time> dry_until_;  ///< no DSCP was free
    std::optional<Time> aside_until_;
    unsigned refusals_{0};  ///< in a row, without a release
};

}  // namespace ksms
