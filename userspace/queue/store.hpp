// SPDX-License-Identifier: BSD-2-Clause
// The queue on disk: SQLite in WAL mode, synchronous=FULL. What a call has acknowledged is there
// after a kill -9 or a power failure.
//
// One process owns DIRECTORY/jobs.db (locking_mode=EXCLUSIVE: POSIX locks, which die with it and
// which a forked child does not inherit). Not for two threads at once. A forked child must not
// touch it.
//
// Every error names the file and the way out. `err` is an errno: ENOSPC (disk full), EDQUOT, EFBIG,
// EIO, EROFS, EMFILE, ENOMEM as the kernel gave it (EIO where SQLite does not pass it on), EBUSY
// (another process has it), EUCLEAN (damaged, see is_damage). After an error nothing was changed,
// and the store is usable as soon as the reason is gone.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "queue/job.hpp"

namespace ksms {

/// What submit() did. Where the id was there before, the job that has it, without its result.
struct Submitted {
    bool existed{false};
    Job job;
};

struct JobFilter {
    std::optional<uid_t> uid;         ///< this user's only
    std::optional<std::string> user;  ///< … by its name
    std::optional<JobType> type;
    std::vector<JobState> states;         ///< empty: all
    std::optional<std::uint64_t> before;  ///< sequences below this one
    std::optional<std::uint64_t> after;   ///< sequences above this one
    std::size_t limit{100};
    bool oldest_first{false};
};

/// How many finished jobs to keep; what is not set does not limit. What is one too many is the
/// oldest of the user who has most, so that nobody's jobs push out another's.
struct Retention {
    std::optional<double> seconds;  ///< since the job finished
    std::optional<std::uint64_t> count;
    std::optional<std::uint64_t> bytes;  ///< of results together
};

struct Pruned {
    std::size_t removed{0};
    bool more{false};  ///< there is more to remove: call again
};

/// A database or its log (-wal) that was damaged, set aside and replaced; or a log of which the
/// last change alone is broken: of that a copy was set aside. Kept in the database until the file
/// that was set aside is gone.
struct Damage {
    double at{0};              ///< seconds since the epoch
    std::string what;          ///< what SQLite said, or LogLoss::text()
    std::string set_aside;     ///< path of the damaged file
    std::uint64_t carried{0};  ///< jobs that could be read
    std::uint64_t lost{
        0};  ///< known to have been there, but not readable: now `failed`, with an error
    std::uint64_t results_lost{0};  ///< of finished jobs that could be read
    bool complete{false};  ///< the list of jobs was readable: no job is missing without a word

    /// What was damaged and what became of the jobs, in one line without its full stop.
    [[nodiscard]] std::string text() const;
};

/// Limits of a database; for tests, which make the disk full with them.
struct StoreOptions {
    std::optional<unsigned> max_pages;  ///< of 4,096 bytes
};

/// How a run ended that did not get to its end: by a crash or kill, or told to make place.
enum class RunEnded { interrupted, given_back };

class JobStore {
public:
    /// Opens or makes DIRECTORY/jobs.db, mode 0600; makes DIRECTORY (0700) if only that is missing.
    /// A damaged file is set aside as jobs.db.damaged-N, with its -wal; everything that can still
    /// be read is in the new one, see damage(). Where its -wal is damaged, which SQLite does not
    /// say, damage() does. Refused: a symbolic link, no regular file, another
    /// user's, another program's database, one of a newer version of ksms.
    /// @param now  seconds since the epoch, for the report of a damage
    [[nodiscard]] static Result<JobStore> open(const std::filesystem::path& directory, double now,
                                               const StoreOptions& options = {});
    JobStore(JobStore&&) noexcept;
    JobStore& operator=(JobStore&&) noexcept;
    ~JobStore();

    /// Puts a job into the queue; it is on disk when this returns. Of `job`: id, type, user, uid,
    /// submitted_at, request. The sequence is given here.
    [[nodiscard]] Result<Submitted> submit(const Job& job);
    /// queued -> running. An error where it is not queued: so no job is started twice.
    [[nodiscard]] Status started(const std::string& id, std::optional<int> dscp, double at);
    /// queued or running -> `state`, one of done, failed, cancelled, interrupted, with what came of
    /// it.
    [[nodiscard]] Status finished(const std::string& id, JobState state, const std::string& result,
                                  const std::string& error, double at);
    /// running -> queued, at its old place. A run that was interrupted stays counted in `runs`, one
    /// that was given back is not.
    [[nodiscard]] Status requeued(const std::string& id, RunEnded how);

    /// Code::not_found where there is none.
    [[nodiscard]] Result<Job> find(const std::string& id, bool with_result = true);
    /// Without results and requests.
    [[nodiscard]] Result<std::vector<Job>> list(const JobFilter& filter);
    /// What is queued or running, oldest first, without results. After a start the running ones are
    /// those that were interrupted.
    [[nodiscard]] Result<std::vector<Job>> unfinished();
    [[nodiscard]] Result<std::map<std::pair<JobState, JobType>, std::uint64_t>> counts();

    /// Removes finished jobs that are too old or too many, oldest first, at most 256 a call.
    [[nodiscard]] Result<Pruned> prune(double now, const Retention& keep);

    /// The last damage, as long as the file that was set aside is there.
    [[nodiscard]] const std::optional<Damage>& damage() const;
    /// Whether an error says that the file is damaged: call repair().
    [[nodiscard]] static bool is_damage(const Error& error);
    /// Sets the file aside as open() does, and goes on with what can be read. After an error
    /// every call says so (is_damage) until another repair() succeeds.
    [[nodiscard]] Status repair(double now);
    /// Whether a transaction can be written now: writes one and takes it back. For health after a
    /// full disk.
    [[nodiscard]] Status writable();

private:
    struct Opened;
    explicit JobStore(std::unique_ptr<Opened> opened);
    std::unique_ptr<Opened> opened_;
};

}  // namespace ksms
