// SPDX-License-Identifier: BSD-2-Clause
#include "queue/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "queue/file.hpp"
#include "queue/schema.hpp"

namespace ksms {
namespace {

constexpr std::int64_t most_removed = 256;

std::unexpected<Error> no_such_job(const std::string& id) {
    return fail(Code::not_found, fmt::format("no job {}", id));
}

Result<std::vector<Job>> read_all(Statement& rows) {
    std::vector<Job> jobs;
    for (;;) {
        KSMS_TRY(const bool more, rows.step());
        if (!more) break;
        KSMS_TRY(auto job, job_of(rows));
        jobs.push_back(std::move(job));
    }
    return jobs;
}

}  // namespace

struct JobStore::Opened {
    std::filesystem::path directory;
    StoreOptions options;
    Database database;
    std::optional<Damage> damage;
    std::int64_t last{0};  ///< last sequence number

    Status read_last();
    /// Continues the sequence numbers in an empty database.
    Status go_on();
    Status limit() {
        if (!options.max_pages) return {};
        return database.run(fmt::format("PRAGMA max_page_count={}", *options.max_pages).c_str());
    }
    Status changed_one(const std::string& id, const char* wanted);
};

JobStore::JobStore(std::unique_ptr<Opened> opened) : opened_(std::move(opened)) {}
JobStore::JobStore(JobStore&&) noexcept = default;
JobStore& JobStore::operator=(JobStore&&) noexcept = default;
JobStore::~JobStore() = default;

Result<JobStore> JobStore::open(const std::filesystem::path& directory,
                                const StoreOptions& options) {
    KSMS_TRY(auto file, open_file(directory, ""));
    auto opened = std::make_unique<Opened>(
        Opened{directory, options, std::move(file.database), std::move(file.damage), 0});
    KSMS_CHECK(opened->read_last());
    KSMS_CHECK(opened->limit());
    return JobStore(std::move(opened));
}

Status JobStore::Opened::read_last() {
    KSMS_TRY(auto row, Statement::prepare(database, "SELECT max(seq) FROM sqlite_sequence"));
    KSMS_TRY(const bool there, row.step());
    last = there ? row.integer(0) : 0;
    return {};
}

Status JobStore::Opened::go_on() {
    KSMS_TRY(auto transaction, Transaction::begin(database));
    KSMS_CHECK(database.run("DELETE FROM sqlite_sequence"));
    KSMS_TRY(auto insert,
             Statement::prepare(database, "INSERT INTO sqlite_sequence VALUES('jobs',?1)"));
    insert.bind(1, last);
    KSMS_CHECK(insert.run());
    return transaction.commit();
}

/// An error if the last statement changed no job.
Status JobStore::Opened::changed_one(const std::string& id, const char* wanted) {
    if (sqlite3_changes(database.get()) == 1) return {};
    KSMS_TRY(auto row, Statement::prepare(database, "SELECT state FROM jobs WHERE id=?1"));
    row.bind(1, id);
    KSMS_TRY(const bool there, row.step());
    if (!there) return no_such_job(id);
    return fail(Code::failed, fmt::format("job {} is {}, not {}", id, row.text(0), wanted));
}

Result<Submitted> JobStore::submit(const Job& job) {
    Job queued;
    queued.id = job.id;
    queued.type = job.type;
    queued.user = job.user;
    queued.uid = job.uid;
    queued.submitted_at = job.submitted_at;
    queued.request = job.request;
    auto& database = opened_->database;
    KSMS_TRY(auto insert,
             Statement::prepare(database,
                                "INSERT INTO jobs(id,type,state,user,uid,submitted_at,started_at,"
                                "finished_at,runs,result_size,error,request) "
                                "VALUES(?1,?2,'queued',?3,?4,?5,0,0,0,0,'',?6) "
                                "ON CONFLICT(id) DO NOTHING"));
    insert.bind(1, job.id).bind(2, name_of(job.type)).bind(3, job.user);
    insert.bind(4, std::int64_t{job.uid}).bind(5, job.submitted_at).bind(6, job.request);
    KSMS_CHECK(insert.run());
    if (sqlite3_changes(database.get()) == 0) {
        KSMS_TRY(auto there, find(job.id, false));
        return Submitted{true, std::move(there)};
    }
    opened_->last = sqlite3_last_insert_rowid(database.get());
    queued.sequence = static_cast<std::uint64_t>(opened_->last);
    return Submitted{false, std::move(queued)};
}

Status JobStore::started(const std::string& id, std::optional<int> dscp, double at) {
    KSMS_TRY(auto update,
             Statement::prepare(opened_->database,
                                "UPDATE jobs SET state='running',dscp=?2,started_at=?3,"
                                "runs=runs+1 WHERE id=?1 AND state='queued'"));
    update.bind(1, id).bind(2, dscp).bind(3, at);
    KSMS_CHECK(update.run());
    return opened_->changed_one(id, "queued");
}

Status JobStore::finished(const std::string& id, JobState state, const std::string& result,
                          const std::string& error, double at) {
    if (!is_finished(state)) return fail(Code::usage, fmt::format("{} is no end", name_of(state)));
    auto& database = opened_->database;
    KSMS_TRY(auto transaction, Transaction::begin(database));
    KSMS_TRY(auto update,
             Statement::prepare(database,
                                "UPDATE jobs SET state=?2,finished_at=?3,result_size=?4,"
                                "error=?5 WHERE id=?1 AND state IN ('queued','running')"));
    update.bind(1, id).bind(2, name_of(state)).bind(3, at).bind(5, error);
    update.bind(4, static_cast<std::int64_t>(result.size()));
    KSMS_CHECK(update.run());
    KSMS_CHECK(opened_->changed_one(id, "queued or running"));
    if (!result.empty()) {
        KSMS_TRY(auto insert, Statement::prepare(database,
                                                 "INSERT INTO results SELECT sequence,?2 "
                                                 "FROM jobs WHERE id=?1"));
        insert.bind(1, id).bind(2, result);
        KSMS_CHECK(insert.run());
    }
    return transaction.commit();
}

Status JobStore::requeued(const std::string& id, RunEnded how) {
    KSMS_TRY(auto update, Statement::prepare(
                              opened_->database,
                              "UPDATE jobs SET state='queued',dscp=NULL,started_at=0,runs=runs-?2 "
                              "WHERE id=?1 AND state='running'"));
    update.bind(1, id).bind(2, std::int64_t{how == RunEnded::given_back ? 1 : 0});
    KSMS_CHECK(update.run());
    return opened_->changed_one(id, "running");
}

Result<Job> JobStore::find(const std::string& id, bool with_result) {
    auto& database = opened_->database;
    KSMS_TRY(auto row,
             Statement::prepare(database, "SELECT " KSMS_JOB_COLUMNS " FROM jobs WHERE id=?1"));
    row.bind(1, id);
    KSMS_TRY(const bool there, row.step());
    if (!there) return no_such_job(id);
    KSMS_TRY(auto job, job_of(row));
    if (!with_result || job.result_size == 0) return job;
    KSMS_TRY(auto text,
             Statement::prepare(database, "SELECT result FROM results WHERE sequence=?1"));
    text.bind(1, static_cast<std::int64_t>(job.sequence));
    KSMS_TRY(const bool kept, text.step());
    if (kept) job.result = text.text(0);
    return job;
}

Result<std::vector<Job>> JobStore::list(const JobFilter& filter) {
    KSMS_TRY(auto rows,
             Statement::prepare(
                 opened_->database,
                 "SELECT " KSMS_LISTED_COLUMNS
                 " FROM jobs NOT INDEXED WHERE (?1 IS NULL OR uid=?1) AND (?2 IS NULL OR user=?2) "
                 "AND (?3 IS NULL OR type=?3) AND (?4 IS NULL OR state=?4) AND sequence<?5 "
                 "ORDER BY sequence DESC LIMIT ?6"));
    static constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    const auto number = [](std::uint64_t value) {
        return static_cast<std::int64_t>(std::min(value, most));
    };
    const auto word = [](const auto& value) {
        return value ? std::optional(name_of(*value)) : std::nullopt;
    };
    rows.bind(1, filter.uid).bind(2, filter.user);
    rows.bind(3, word(filter.type)).bind(4, word(filter.state));
    rows.bind(5, number(filter.before.value_or(most))).bind(6, number(filter.limit));
    return read_all(rows);
}

Result<std::vector<Job>> JobStore::unfinished() {
    KSMS_TRY(auto rows,
             Statement::prepare(opened_->database, "SELECT " KSMS_JOB_COLUMNS
                                                   " FROM jobs INDEXED BY by_state WHERE state IN "
                                                   "('queued','running') ORDER BY sequence"));
    return read_all(rows);
}

Result<std::uint64_t> JobStore::size() {
    KSMS_TRY(auto row, Statement::prepare(opened_->database, "SELECT count(*) FROM jobs"));
    KSMS_TRY([[maybe_unused]] const bool there, row.step());
    return static_cast<std::uint64_t>(row.integer(0));
}

Result<Pruned> JobStore::prune(double now, const Retention& keep) {
    auto& database = opened_->database;
    KSMS_TRY(auto transaction, Transaction::begin(database));
    // Ordered by rank: the newest job of each user, then the second newest, and so on. Removes what
    // exceeds the number, the bytes or the age.
    KSMS_TRY(auto rows,
             Statement::prepare(
                 database,
                 "SELECT sequence FROM (SELECT sequence,finished_at,"
                 "row_number() OVER w AS place,sum(result_size) OVER w AS bytes FROM ("
                 "SELECT sequence,finished_at,result_size,row_number() OVER "
                 "(PARTITION BY uid ORDER BY finished_at DESC,sequence DESC) AS turn FROM jobs "
                 "WHERE finished_at>0) WINDOW w AS (ORDER BY turn,finished_at DESC,sequence DESC)) "
                 "WHERE finished_at<?1 OR place>?2 OR bytes>?3 "
                 "ORDER BY finished_at,sequence LIMIT ?4"));
    const auto most = std::numeric_limits<std::int64_t>::max();
    rows.bind(1, keep.seconds ? now - *keep.seconds : 0.0);
    rows.bind(2, keep.count ? static_cast<std::int64_t>(*keep.count) : most);
    rows.bind(3, keep.bytes ? static_cast<std::int64_t>(*keep.bytes) : most);
    rows.bind(4, most_removed + 1);
    std::vector<std::int64_t> old;
    for (;;) {
        KSMS_TRY(const bool more, rows.step());
        if (!more) break;
        old.push_back(rows.integer(0));
    }
    rows.reset();
    const bool more = old.size() > static_cast<std::size_t>(most_removed);
    if (more) old.pop_back();
    for (const char* sql :
         {"DELETE FROM results WHERE sequence=?1", "DELETE FROM jobs WHERE sequence=?1"}) {
        KSMS_TRY(auto remove, Statement::prepare(database, sql));
        for (const auto sequence : old) {
            remove.bind(1, sequence);
            KSMS_CHECK(remove.run());
        }
    }
    KSMS_CHECK(transaction.commit());
    // Return free pages to the file system, in steps.
    if (!old.empty()) KSMS_CHECK(database.run("PRAGMA incremental_vacuum(1024)"));
    return Pruned{old.size(), more};
}

std::string Damage::text() const {
    return fmt::format("{}: set aside as {}; an empty one is created", what, set_aside.string());
}

std::string Damage::hint() const {
    return fmt::format(
        "`sqlite3 {} .recover` prints what can be read of it (`.dump` where that fails, as on "
        "Debian 12); remove it when it is not needed",
        set_aside.string());
}

const std::optional<Damage>& JobStore::damage() const {
    return opened_->damage;
}

bool JobStore::is_damage(const Error& error) {
    return is_damaged(error);
}

Status JobStore::repair(const Error& why) {
    auto& database = opened_->database;
    // Closed if a repair has failed before: the file may be a new one by now.
    const bool was_open = database.get() != nullptr;
    if (was_open) database.keep_log();
    database = Database{};
    KSMS_TRY(auto file, open_file(opened_->directory, was_open ? why.message : ""));
    database = std::move(file.database);
    opened_->damage = std::move(file.damage);
    KSMS_CHECK(opened_->go_on());
    return opened_->limit();
}

Status JobStore::writable() {
    auto& database = opened_->database;
    KSMS_TRY(auto transaction, Transaction::begin(database));
    // New pages that are never committed. They must be flushed to find out whether the disk is
    // full.
    KSMS_CHECK(database.run("INSERT INTO results VALUES(-1,hex(zeroblob(8192)))"));
    if (const int code = sqlite3_db_cacheflush(database.get()); code != SQLITE_OK)
        return database.error(code, "write to");
    return {};
}

}  // namespace ksms
