// SPDX-License-Identifier: BSD-2-Clause
// Which job starts now. No clock, thread or I/O: time comes in as nanoseconds of any clock that
// does not go back, events come in as calls.
//
//     add ---> waiting --next()--> starting --leased()--> running --finished()--> gone
//                 ^                   |                      |
//                 +---- no_lease(), short_of(), requeue() ---+
//
// Order. next() gives the oldest job of the user who has the fewest jobs running; of users with
// equally many, of the one who was served longest ago. While one is starting nothing else is given,
// so DSCPs are asked for one at a time. Fast and detailed jobs have slots of their own: neither
// waits for the other's. A job that comes back keeps its sequence, which puts it at the front of
// its user's line.
//
// Slots. One user takes at most `most_user` of the fast slots, and all users but root leave one to
// root where there are two or more.
//
// No DSCP. After no_lease() nothing is given until lease_freed(), finished(), or a fall-back
// deadline (1 s, doubling to 16 s), in case the wake-up was lost. A release between the question
// and its answer counts.
//
// A DSCP of its own. A job that asks for one DSCP waits for that alone: those behind it may start.
// It is the first to be given again after each release; it starves only if somebody outside of this
// queue keeps that DSCP for ever, or takes it each time before we ask.
//
// Shortages. short_of() makes it serial: one job in all. Nothing starts for a pause (250 ms,
// doubling to 30 s), then the job that was short is given again. After a quiet time without a
// shortage (5 s, doubling to 320 s) each job that finishes allows one more, up to the configured
// number. A job that was short eight times while it ran alone is given up, so that it cannot block
// the others for ever.
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
    unsigned most_user{64};       ///< of those, of one user other than root
    bool parallel{true};          ///< ksms_parallel_execution; false: one job in all
    bool registry_enabled{true};  ///< false: no DSCP tells jobs apart, one job in all
    unsigned leases{32};          ///< DSCPs in the configured range
};

/// What became of a job that could not start.
enum class Returned {
    waiting,    ///< it will be given again
    cancelled,  ///< it was cancelled meanwhile and is gone: report it
    given_up,   ///< it was short too often, alone, and is gone: report it as failed
    unknown,    ///< no such job is starting or running
};

enum class Cancelled {
    removed,  ///< it was waiting and is gone
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

    /// New limits from now on. What runs goes on, also where it is more than they allow.
    void reload(const SchedulerLimits& limits);

    struct Added {
        std::string id;
        std::uint64_t sequence{0};  ///< order of submission; must not be another job's
        JobType type{JobType::fast};
        std::uint32_t user{0};    ///< uid; 0 is root, whom no limit by user concerns
        std::optional<int> dscp;  ///< the only one that the job takes, if it asked for one
    };
    /// False where the id or the sequence is here already; nothing changes then.
    bool add(const Added& job);

    /// The job to start now, if there is one: allocate its DSCP and tell how that went by leased(),
    /// no_lease(), short_of() or finished(). Call again until it gives none.
    [[nodiscard]] std::optional<std::string> next(Time now);
    /// When to call next() although nothing happens; none: not before an event.
    [[nodiscard]] std::optional<Time> next_deadline() const;

    /// It runs. dscp: none where the registry is disabled. The kernel says who holds a DSCP: a job
    /// that ran with it has given it back and is about to end.
    /// @return false where this job is not the one that starts: nothing has changed
    [[nodiscard]] bool leased(const std::string& id, std::optional<int> dscp);
    /// No DSCP for it.
    /// @param own_dscp  what it alone waits for is taken (the DSCP that it asked for, its name);
    /// others
    ///                  may be free
    Returned no_lease(const std::string& id, Time now, bool own_dscp = false);
    /// Somebody's DSCP was released.
    void lease_freed();
    /// The machine had not enough of something for it.
    /// @param what  "memory", "descriptors", …: for mode()
    Returned short_of(const std::string& id, const std::string& what, Time now);
    /// It stopped early and is to run again.
    Returned requeue(const std::string& id);
    /// It is over, whichever way; its DSCP is free.
    void finished(const std::string& id, Time now);
    Cancelled cancel(const std::string& id);

    [[nodiscard]] SchedulerMode mode() const;
    [[nodiscard]] std::size_t waiting() const;
    [[nodiscard]] std::size_t running() const { return running_[0] + running_[1]; }
    /// The job that asks for its DSCP right now.
    [[nodiscard]] const std::optional<std::string>& starting() const { return starting_; }
    [[nodiscard]] std::optional<int> dscp_of(const std::string& id) const;

private:
    enum class Phase { waiting, starting, running };
    struct Entry {
        std::uint64_t sequence;
        JobType type;
        std::uint32_t user;
        std::optional<int> wish;  ///< the DSCP it asked for
        Phase phase{Phase::waiting};
        bool cancelled{false};
        unsigned shortages{0};  ///< while it ran alone
        std::optional<int> dscp;
    };
    /// Sequences of one user's jobs of one type that wait, by the DSCP they asked for.
    using Lines = std::map<std::optional<int>, std::set<std::uint64_t>>;
    struct User {
        std::array<Lines, 2> lines{};  ///< by type
        std::array<std::size_t, 2> running{};
        std::uint64_t served;  ///< when a job of theirs was last given: a count, not a time
        std::size_t jobs{0};
    };
    /// Who comes first is less.
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
    /// Gives slot and DSCP back.
    void leave_slot(Entry& entry);
    Returned back(const std::string& id, Entry& entry);
    void remove(const std::string& id);
    [[nodiscard]] Entry* active(const std::string& id);

    SchedulerLimits limits_;
    Throttle throttle_;
    std::unordered_map<std::string, Entry> jobs_;
    std::unordered_map<std::uint64_t, std::string> ids_;  ///< by sequence
    std::map<std::uint32_t, User> users_;                 ///< of whom a job is here
    std::set<std::uint64_t> aside_;                       ///< what they wait for has no number here
    std::map<int, Time> refused_;         ///< DSCPs that others hold, and when to ask again
    std::map<int, std::string> holders_;  ///< DSCPs of jobs that run
    std::optional<std::string> starting_;
    std::array<std::size_t, 2> running_{};
    std::uint64_t given_{0};         ///< jobs that next() gave
    bool freed_meanwhile_{false};    ///< since next() gave the job that is starting
    std::optional<Time> dry_until_;  ///< no DSCP was free
    std::optional<Time> aside_until_;
    unsigned refusals_{0};  ///< in a row, without a release
};

}  // namespace ksms
