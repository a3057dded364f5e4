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

/// A database that was damaged and set aside as a whole; an empty one took its place.
struct Damage {
    std::string what;                 ///< what SQLite said
    std::filesystem::path set_aside;  ///< where it is now

    /// What became of it, in one line without its full stop.
    [[nodiscard]] std::string text() const;
    /// The command that reads what can be read of it.
    [[nodiscard]] std::string hint() const;
};

/// Limits of a database; for tests, which make the disk full with them.
struct StoreOptions {
    std::optional<unsigned> max_pages;  ///< of 4,096 bytes
};

/// Why a run stopped early: a crash or kill, or told to make room.
enum class RunEnded { interrupted, given_back };

class JobStore {
public:
    /// Opens or makes DIRECTORY/jobs.db, mode 0600; makes DIRECTORY (0700) if only that is missing.
    /// All of it is read for a check (PRAGMA integrity_check). A damaged one is set aside as
    /// jobs.db.damaged-N, with its -wal, and an empty one is begun, see damage(); sixteen are
    /// kept. Refused: a symbolic link, no regular file, another user's, another program's
    /// database, one of a newer version of ksms.
    [[nodiscard]] static Result<JobStore> open(const std::filesystem::path& directory,
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

    /// The last damage; one of an earlier ksmsd as long as the file that was set aside is there.
    [[nodiscard]] const std::optional<Damage>& damage() const;
    /// Whether an error says that the file is damaged: call repair().
    [[nodiscard]] static bool is_damage(const Error& error);
    /// Sets the file aside as open() does, and goes on with an empty one; sequences go on, too.
    /// After an error every call says so (is_damage) until another repair() succeeds.
    /// @param why  what is_damage
    [[nodiscard]] Status repair(const Error& why);
    /// Whether a transaction can be written now: writes one and takes it back. For health after a
    /// full disk.
    [[nodiscard]] Status writable();

private:
    struct Opened;
    explicit JobStore(std::unique_ptr<Opened> opened);
    std::unique_ptr<Opened> opened_;
};

}  // namespace ksms
