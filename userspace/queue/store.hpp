// SPDX-License-Identifier: BSD-2-Clause
// The queue on disk: SQLite in WAL mode, synchronous=FULL. Acknowledged changes survive a kill -9
// and a power failure.
//
// One process owns DIRECTORY/jobs.db (locking_mode=EXCLUSIVE: POSIX locks, which end with the
// process and are not inherited by a forked child). Not thread-safe. A forked child must not use
// it.
//
// Every error names the file and the remedy. `err` is an errno: ENOSPC (disk full), EDQUOT, EFBIG,
// EIO, EROFS, EMFILE, ENOMEM of the kernel (EIO if SQLite does not pass it on), EBUSY (another
// process has it open), EUCLEAN (damaged, see is_damage). After an error nothing has changed, and
// the store is usable as soon as the cause is gone.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "queue/job.hpp"

namespace ksms {

/// The result of submit(). If the id existed, the job that has it, without its result.
struct Submitted {
    bool existed{false};
    Job job;
};

struct JobFilter {
    std::optional<uid_t> uid;         ///< this user's only
    std::optional<std::string> user;  ///< … by its name
    std::optional<JobType> type;
    std::optional<JobState> state;
    std::optional<std::uint64_t> before;  ///< sequences below this one
    std::size_t limit{100};
};

/// Retention limits of finished jobs; none: no limit. Above a limit, the oldest job of the user
/// with the most jobs is removed, so that no user's jobs displace another's.
struct Retention {
    std::optional<double> seconds;  ///< since the job finished
    std::optional<std::uint64_t> count;
    std::optional<std::uint64_t> bytes;  ///< of results together
};

struct Pruned {
    std::size_t removed{0};
    bool more{false};  ///< more to remove: call again
};

/// A damaged database that was set aside and replaced by an empty one.
struct Damage {
    std::string what;                 ///< message of SQLite
    std::filesystem::path set_aside;  ///< present path

    /// A description on one line without a full stop.
    [[nodiscard]] std::string text() const;
    /// The command that recovers readable data.
    [[nodiscard]] std::string hint() const;
};

/// Limits of a database. Tests simulate a full disk with them.
struct StoreOptions {
    std::optional<unsigned> max_pages;  ///< of 4,096 bytes
};

/// Why a run stopped early: a crash or kill, or told to make room.
enum class RunEnded { interrupted, given_back };

class JobStore {
public:
    /// Opens or creates DIRECTORY/jobs.db, mode 0600; creates DIRECTORY (0700) if only the last
    /// component is missing. Reads all of it for a check (PRAGMA integrity_check). A damaged file
    /// is set aside as jobs.db.damaged-N with its -wal and replaced by an empty one, see damage();
    /// sixteen are kept. Refuses a symbolic link, a file that is not regular or belongs to another
    /// user, and the database of another program or a newer version of ksms.
    [[nodiscard]] static Result<JobStore> open(const std::filesystem::path& directory,
                                               const StoreOptions& options = {});
    JobStore(JobStore&&) noexcept;
    JobStore& operator=(JobStore&&) noexcept;
    ~JobStore();

    /// Adds a job to the queue; it is on disk when this returns. Uses id, type, user, uid,
    /// submitted_at and request, and assigns the sequence number.
    [[nodiscard]] Result<Submitted> submit(const Job& job);
    /// queued -> running. An error if it is not queued, so that no job is started twice.
    [[nodiscard]] Status started(const std::string& id, std::optional<int> dscp, double at);
    /// queued or running -> `state` (done, failed, cancelled or interrupted), with result and
    /// error.
    [[nodiscard]] Status finished(const std::string& id, JobState state, const std::string& result,
                                  const std::string& error, double at);
    /// running -> queued, at its old place. An interrupted run counts in `runs`, one that was given
    /// back does not.
    [[nodiscard]] Status requeued(const std::string& id, RunEnded how);

    /// Code::not_found if there is no such job.
    [[nodiscard]] Result<Job> find(const std::string& id, bool with_result = true);
    /// Without results and requests.
    [[nodiscard]] Result<std::vector<Job>> list(const JobFilter& filter);
    /// Queued and running jobs, oldest first, without results. After a start the running ones are
    /// those that were interrupted.
    [[nodiscard]] Result<std::vector<Job>> unfinished();
    /// The number of jobs.
    [[nodiscard]] Result<std::uint64_t> size();

    /// Removes finished jobs that exceed the limits, oldest first, at most 256 per call.
    [[nodiscard]] Result<Pruned> prune(double now, const Retention& keep);

    /// The last damage, also of an earlier ksmsd as long as the file that was set aside exists.
    [[nodiscard]] const std::optional<Damage>& damage() const;
    /// Whether an error means that the file is damaged, so that repair() is needed.
    [[nodiscard]] static bool is_damage(const Error& error);
    /// Sets the file aside like open() and continues with an empty one; sequence numbers continue.
    /// After a failure every call returns such an error (is_damage) until a repair() succeeds.
    /// @param why  the error with is_damage
    [[nodiscard]] Status repair(const Error& why);
    /// Whether the database can be written: writes a transaction and rolls it back. For the health
    /// check.
    [[nodiscard]] Status writable();

private:
    struct Opened;
    explicit JobStore(std::unique_ptr<Opened> opened);
    std::unique_ptr<Opened> opened_;
};

}  // namespace ksms
