// SPDX-License-Identifier: BSD-2-Clause
#include "queue/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/fd.hpp"
#include "queue/aside.hpp"
#include "queue/schema.hpp"
#include "queue/wal.hpp"

namespace ksms {
namespace {

namespace fs = std::filesystem;

/// The directory, ours alone, locked against another that opens at the same time.
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

/// True: there is a file of ours to open.
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

Status write_report(Database& database, const Damage& report) {
    KSMS_TRY(auto insert,
             Statement::prepare(database,
                                "INSERT INTO damage(at,what,set_aside,carried,lost,"
                                "results_lost,complete) VALUES(?1,?2,?3,?4,?5,?6,?7)"));
    insert.bind(1, report.at).bind(2, report.what).bind(3, report.set_aside);
    insert.bind(4, static_cast<std::int64_t>(report.carried));
    insert.bind(5, static_cast<std::int64_t>(report.lost));
    insert.bind(6, static_cast<std::int64_t>(report.results_lost));
    insert.bind(7, std::int64_t{report.complete});
    return insert.run();
}

/// A new database, complete and closed, so that it needs no log beside it.
Status make_fresh(const fs::path& file, Sources damaged, Damage* report) {
    for (const char* more : {"", "-wal", "-journal"}) ::unlink(with(file, more).c_str());
    {
        const Fd fd(::open(file.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!fd) return fail_errno(errno, "make " + file.string());
        if (fchmod(fd.get(), 0600) != 0) return fail_errno(errno, "chmod " + file.string());
    }
    KSMS_TRY(auto fresh, Database::open(file));
    KSMS_CHECK(make_schema(fresh));
    KSMS_CHECK(set_up(fresh));
    if (report != nullptr) {
        if (!damaged.empty()) KSMS_CHECK(salvage(damaged, fresh, *report));
        KSMS_CHECK(write_report(fresh, *report));
    }
    return fresh.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// The first page of an empty database. Its tables begin on the same pages as those of any other,
/// as make_schema() says.
/// @param scratch  a name for that
Result<std::array<char, page_size>> first_page(const fs::path& scratch) {
    KSMS_CHECK(make_fresh(scratch, {}, nullptr));
    std::array<char, page_size> page{};
    const Fd empty(::open(scratch.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (pread(empty.get(), page.data(), page.size(), 0) != page_size)
        return fail_errno(EIO, "read " + scratch.string());
    // How many pages there are the size of the file says; which of them are free need not be known.
    std::fill_n(page.begin() + 28, 12, '\0');
    return page;
}

/// A copy that can be read further than the file.
Result<Database> patched_copy(const fs::path& file, const fs::path& copy, bool with_first_page,
                              bool with_log) {
    KSMS_TRY(const auto page, first_page(copy));
    KSMS_CHECK(copy_of(file, copy));
    const auto log = with(file, "-wal"), log_copy = with(copy, "-wal");
    std::error_code ignored;
    if (with_log || fs::exists(log, ignored))
        KSMS_CHECK(with_log ? mend_log(log, log_copy) : copy_of(log, log_copy));
    if (with_first_page) {
        const Fd patched(::open(copy.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
        errno = 0;
        if (pwrite(patched.get(), page.data(), page.size(), 0) != page_size)
            return fail_errno(errno != 0 ? errno : ENOSPC, "write " + copy.string());
    }
    return Database::open(copy);
}

/// A new file with what can be read of the damaged one.
Status rescue(const fs::path& file, Database& damaged, const LogLoss& loss, Damage& report) {
    const auto fresh = with(file, ".new"), copy = with(file, ".copy");
    const bool tables = Statement::prepare(damaged, "SELECT * FROM jobs,results").has_value();
    std::array<Database*, 2> sources{&damaged, nullptr};
    if (tables && !loss.certain()) return make_fresh(fresh, Sources(sources).first(1), &report);
    if (!tables) report.what += "; its tables were sought where those of a new database are";
    const Defer remove([&] {
        for (const char* more : {"", "-wal", "-shm"}) ::unlink(with(copy, more).c_str());
    });
    KSMS_TRY(auto patched, patched_copy(file, copy, !tables, loss.certain()));
    sources = {&patched, &damaged};
    return make_fresh(fresh, sources, &report);
}

/// What is wrong with an open database; "" where it is sound. Another's, or a newer one, is an
/// error.
Result<std::string> examine(Database& database, const fs::path& file) {
    KSMS_TRY(const auto application, database.text("PRAGMA application_id"));
    if (application != std::to_string(application_id))
        return fail(Code::failed, file.string() + " is another program's database, not ksmsd's",
                    "move it away, or give ksmsd another directory");
    KSMS_TRY(const auto version, database.text("PRAGMA user_version"));
    if (version != std::to_string(schema_version))
        return fail(Code::failed,
                    fmt::format("{} has version {}, this ksmsd knows {}", file.string(), version,
                                schema_version),
                    "start the newer ksmsd, or give this one another directory");
    KSMS_CHECK(set_up(database));
    auto check = database.text("PRAGMA quick_check(1)");
    if (check && *check == "ok") check->clear();
    return check;
}

std::optional<Damage> read_damage(Database& database) {
    auto row = Statement::prepare(database,
                                  "SELECT at,what,set_aside,carried,lost,results_lost,complete "
                                  "FROM damage ORDER BY number DESC LIMIT 1");
    if (!row) return std::nullopt;
    const auto there = row->step();
    std::error_code ignored;
    if (!there || !*there || !fs::exists(fs::path(row->text(2)), ignored)) return std::nullopt;
    return Damage{row->real(0),
                  row->text(1),
                  row->text(2),
                  static_cast<std::uint64_t>(row->integer(3)),
                  static_cast<std::uint64_t>(row->integer(4)),
                  static_cast<std::uint64_t>(row->integer(5)),
                  row->integer(6) != 0};
}

/// What is wrong with the log of an open, sound database, told before anything is written: SQLite
/// would write over it.
Status report_loss(Database& database, const fs::path& file, const LogLoss& loss, Damage& report) {
    report.what = loss.text();
    report.set_aside += "-wal";
    KSMS_CHECK(copy_of(with(file, "-wal"), report.set_aside));
    KSMS_TRY(auto jobs, Statement::prepare(database, "SELECT count(*) FROM jobs"));
    KSMS_TRY([[maybe_unused]] const bool row, jobs.step());
    report.carried = static_cast<std::uint64_t>(jobs.integer(0));
    jobs.reset();
    KSMS_CHECK(write_report(database, report));
    // What SQLite does not play back would be found again at the next start.
    return database.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Puts a sound database where jobs.db is missing.
Status provide(const fs::path& file, int directory, double now) {
    const auto fresh = with(file, ".new");
    std::error_code ignored;
    const bool has_log = fs::file_size(with(file, "-wal"), ignored) > 0 && !ignored;
    KSMS_TRY(const bool ready, is_there(fresh));
    if (ready && !fs::exists(aside_name(file, 1), ignored)) {
        // It was never used: perhaps not even complete.
        KSMS_CHECK(make_fresh(fresh, {}, nullptr));
        return replace(file, aside_name(file, 0), fresh, directory);
    }
    if (ready) return replace(file, aside_name(file, 1), fresh, directory);
    Damage lost{now,  "the file is missing, only its log is there", aside_name(file, 0), 0, 0, 0,
                false};
    // Somebody else's log must not be played into a new database.
    lost.set_aside += "-wal";
    KSMS_CHECK(make_fresh(fresh, {}, has_log ? &lost : nullptr));
    return replace(file, aside_name(file, 0), fresh, directory);
}

}  // namespace

Result<OpenedFile> open_file(const fs::path& directory, double now, bool force) {
    KSMS_TRY(const Fd locked, open_directory(directory));
    const auto file = directory / "jobs.db";
    KSMS_TRY(const bool there, is_there(file));
    if (!there) KSMS_CHECK(provide(file, locked.get(), now));
    struct stat status{};
    const bool emptied = stat(file.c_str(), &status) == 0 && status.st_size == 0;
    Damage report{now, emptied ? "the file is empty" : "", aside_name(file, 0), 0, 0, 0, false};
    {
        KSMS_TRY(auto database, Database::open(file));
        auto wrong = emptied ? Result<std::string>(report.what) : examine(database, file);
        // A page that could not be read in this moment is not damaged: twice it is.
        if (!emptied && (!wrong || !wrong->empty())) wrong = examine(database, file);
        if (!wrong && !is_damaged(wrong.error())) return std::unexpected(wrong.error());
        report.what = wrong ? *wrong : wrong.error().message;
        // By now it is locked, and nothing was written yet.
        KSMS_TRY(const auto loss, read_log(with(file, "-wal")));
        report.complete = !emptied && !loss.any();
        if (report.what.empty() && !force && !loss.certain()) {
            if (loss.any()) KSMS_CHECK(report_loss(database, file, loss, report));
            auto damage = loss.any() ? std::optional(report) : read_damage(database);
            return OpenedFile{std::move(database), std::move(damage)};
        }
        if (report.what.empty() && !loss.certain()) report.what = "a page could not be read";
        if (loss.any()) report.what += (report.what.empty() ? "" : "; ") + loss.text();
        // Set aside as it is: nothing of its log is written into it.
        sqlite3_db_config(database.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        KSMS_CHECK(emptied ? make_fresh(with(file, ".new"), {}, &report)
                           : rescue(file, database, loss, report));
    }
    KSMS_CHECK(replace(file, report.set_aside, with(file, ".new"), locked.get()));
    KSMS_TRY(auto database, Database::open(file));
    KSMS_TRY(const auto wrong, examine(database, file));
    if (!wrong.empty()) return fail_errno(EUCLEAN, "check the new " + file.string() + ": " + wrong);
    return OpenedFile{std::move(database), std::move(report)};
}

}  // namespace ksms
