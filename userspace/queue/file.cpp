// SPDX-License-Identifier: BSD-2-Clause
#include "queue/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ranges>
#include <set>

#include "base/directory.hpp"
#include "base/fd.hpp"
#include "queue/schema.hpp"

namespace ksms {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_kept = 16;

/// The path with a suffix: with("jobs.db", "-wal").
fs::path with(fs::path file, const std::string& more) {
    file += more;
    return file;
}

bool is_taken(const fs::path& file) {
    std::error_code ignored;
    return fs::exists(fs::symlink_status(file, ignored));
}

/// Opens the directory, checks that only this user can write it, and locks it against a concurrent
/// open.
Result<Fd> open_directory(const fs::path& directory) {
    if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno(errno, "make the directory " + directory.string());
    Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "open the directory " + directory.string());
    struct stat status{};
    if (fstat(fd.get(), &status) != 0) return fail_errno(errno, "stat " + directory.string());
    if (status.st_uid != geteuid() || (status.st_mode & 0022) != 0)
        return fail(
            Code::not_allowed,
            fmt::format("{} is another user's, or others may write to it", directory.string()),
            "chown it to ksmsd's user and chmod go-w");
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return fail_errno(EBUSY, "lock " + directory.string(), "another ksmsd opens it right now");
    return fd;
}

/// Whether the file exists. An error if it is not a regular file of this user.
Result<bool> is_there(const fs::path& file) {
    struct stat status{};
    if (lstat(file.c_str(), &status) != 0) {
        if (errno == ENOENT) return false;
        return fail_errno(errno, "stat " + file.string());
    }
    if (!S_ISREG(status.st_mode))
        return fail(Code::failed, file.string() + " is no regular file",
                    "move it away; ksmsd touches nothing that it did not make");
    if (status.st_uid != geteuid())
        return fail(Code::not_allowed, file.string() + " is another user's");
    if (status.st_nlink != 1)
        return fail(Code::failed, file.string() + " has other names (hard links)", "remove those");
    return true;
}

/// Creates a complete database and closes it, so that it needs no log.
Status make_fresh(const fs::path& file) {
    for (const char* more : {"", "-wal", "-journal"}) ::unlink(with(file, more).c_str());
    {
        const Fd fd(::open(file.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!fd) return fail_errno(errno, "make " + file.string());
        if (fchmod(fd.get(), 0600) != 0) return fail_errno(errno, "chmod " + file.string());
    }
    KSMS_TRY(auto fresh, Database::open(file));
    KSMS_CHECK(make_schema(fresh));
    KSMS_CHECK(set_up(fresh));
    return fresh.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// @return the damage of an open database; "": none. An error for another program's or a newer
/// database.
Result<std::string> examine(Database& database, const fs::path& file) {
    KSMS_TRY(const auto application, database.text("PRAGMA application_id"));
    if (application != std::to_string(application_id))
        return fail(Code::failed,
                    file.string() + " is the database of another program, not of ksmsd",
                    "move it away, or give ksmsd another directory");
    KSMS_TRY(const auto version, database.text("PRAGMA user_version"));
    if (version != std::to_string(schema_version))
        return fail(Code::failed,
                    fmt::format("{} has version {}, this ksmsd knows {}", file.string(), version,
                                schema_version),
                    "start the newer ksmsd, or give this one another directory");
    KSMS_CHECK(set_up(database));
    auto check = database.text("PRAGMA integrity_check(1)");
    if (check && *check == "ok") check->clear();
    return check;
}

/// @return the damage of the file; "": none
Result<std::string> examine_file(Database& database, const fs::path& file) {
    auto wrong = examine(database, file);
    // A single failure can be a transient read error: it counts only if it occurs twice.
    if (!wrong || !wrong->empty()) wrong = examine(database, file);
    if (wrong || !is_damaged(wrong.error())) return wrong;
    return wrong.error().message;
}

fs::path aside_name(const fs::path& file, std::uint64_t number) {
    return with(file, fmt::format(".damaged-{}", number));
}

/// The numbers N of all files jobs.db.damaged-N and their logs.
Result<std::set<std::uint64_t>> kept_aside(const fs::path& file) {
    const auto stem = file.filename().string() + ".damaged-";
    std::set<std::uint64_t> numbers;
    KSMS_TRY(const auto names, list_directory(file.parent_path()));
    for (const auto& name : names) {
        std::uint32_t number = 0;
        if (!name.starts_with(stem)) continue;
        if (std::from_chars(name.data() + stem.size(), name.data() + name.size(), number).ec ==
            std::errc{})
            numbers.insert(number);
    }
    return numbers;
}

Status move(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
        return fail_errno(errno, fmt::format("rename {} to {}", from.string(), to.string()));
    return {};
}

Status sync(const Fd& directory, const fs::path& name) {
    if (fsync(directory.get()) != 0) return fail_errno(errno, "sync " + name.string());
    return {};
}

/// Moves the file and its log to an unused name. If there are too many, replaces the last one,
/// because the first ones have the most jobs.
/// @param interrupted  the file was moved before a kill -9; only its log remains to be moved
/// @return the new path
Result<fs::path> set_aside(const fs::path& file, bool interrupted) {
    KSMS_TRY(auto numbers, kept_aside(file));
    const auto last = numbers.empty() ? 0 : *numbers.rbegin();
    auto aside = aside_name(file, last);
    const bool goes_on = interrupted && is_taken(aside) && !is_taken(with(aside, "-wal"));
    if (!goes_on) {
        if (numbers.size() >= most_kept)
            for (const char* more : {"", "-wal", "-shm"}) ::unlink(with(aside, more).c_str());
        aside = aside_name(file, last + 1);
    }
    std::error_code ignored;
    if (fs::file_size(with(file, "-wal"), ignored) == 0) ::unlink(with(file, "-wal").c_str());
    for (const char* more : {"", "-wal", "-shm"})
        KSMS_CHECK(move(with(file, more), with(aside, more)));
    return is_taken(aside) ? aside : with(aside, "-wal");
}

/// The last file that was set aside and still exists.
std::optional<Damage> last_damage(const fs::path& file) {
    const auto numbers = kept_aside(file);
    if (!numbers) return std::nullopt;
    for (const auto number : std::views::reverse(*numbers))
        if (auto aside = aside_name(file, number); is_taken(aside))
            return Damage{"it was found damaged earlier", std::move(aside)};
    return std::nullopt;
}

/// The state of the file.
struct Finding {
    std::string wrong;  ///< why it has to be set aside; "": it has not
    Database database;  ///< open if it can be used
};

Result<Finding> look_at(const fs::path& file) {
    KSMS_TRY(const bool there, is_there(file));
    std::error_code ignored;
    if (!there) {
        // The log of another database must not be replayed into a new one.
        const auto log = fs::file_size(with(file, "-wal"), ignored);
        return Finding{!ignored && log > 0 ? "the file is missing, only its log is there" : "", {}};
    }
    // SQLite would take an empty file for a new database and remove its log.
    if (fs::file_size(file, ignored) == 0) return Finding{"the file is empty", {}};
    KSMS_TRY(auto database, Database::open(file));
    KSMS_TRY(auto wrong, examine_file(database, file));
    std::ranges::replace(wrong, '\n', ' ');
    if (wrong.empty()) return Finding{"", std::move(database)};
    database.keep_log();
    return Finding{std::move(wrong), {}};
}

}  // namespace

Result<OpenedFile> open_file(const fs::path& directory, std::string wrong) {
    KSMS_TRY(const Fd locked, open_directory(directory));
    const auto file = directory / "jobs.db";
    Finding found{std::move(wrong), {}};
    if (found.wrong.empty()) {
        KSMS_TRY(found, look_at(file));
    }
    if (found.database.get() != nullptr)
        return OpenedFile{std::move(found.database), last_damage(file)};
    // Prepared before the damaged file is moved. If it exists without a jobs.db, a kill -9 came
    // between, and the move is continued.
    const auto fresh = with(file, ".new");
    const bool interrupted = is_taken(fresh);
    KSMS_CHECK(make_fresh(fresh));
    auto damage = last_damage(file);
    if (!found.wrong.empty()) {
        KSMS_TRY(auto aside, set_aside(file, interrupted && !is_taken(file)));
        damage = Damage{std::move(found.wrong), std::move(aside)};
    }
    // In this order: the old log must never be beside the new file.
    KSMS_CHECK(sync(locked, directory));
    KSMS_CHECK(move(fresh, file));
    KSMS_CHECK(sync(locked, directory));
    KSMS_TRY(auto database, Database::open(file));
    KSMS_TRY(const auto unsound, examine(database, file));
    if (!unsound.empty())
        return fail_errno(EUCLEAN, "check the new " + file.string() + ": " + unsound);
    return OpenedFile{std::move(database), std::move(damage)};
}

}  // namespace ksms
