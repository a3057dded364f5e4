// SPDX-License-Identifier: BSD-2-Clause
#include "queue/schema.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace ksms {

// `result` is a table of its own, so that a list of jobs does not walk over megabytes. by_id and
// by_state say who was there where a page of `jobs` is damaged. The CHECKs are what quick_check
// holds against the rows.
Status make_schema(Database& database) {
    KSMS_CHECK(database.run("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"));
    return database.run(R"(
        BEGIN IMMEDIATE;
        CREATE TABLE jobs(
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL CHECK(length(id) > 0),
            type TEXT NOT NULL CHECK(type IN ('fast','detailed')),
            state TEXT NOT NULL CHECK(state IN
                ('queued','running','done','failed','cancelled','interrupted')),
            user TEXT NOT NULL,
            uid INTEGER NOT NULL CHECK(uid >= 0),
            submitted_at REAL NOT NULL,
            started_at REAL NOT NULL,
            finished_at REAL NOT NULL,
            dscp INTEGER CHECK(dscp BETWEEN 0 AND 63),
            runs INTEGER NOT NULL,
            result_size INTEGER NOT NULL,
            error TEXT NOT NULL,
            request TEXT NOT NULL);
        CREATE UNIQUE INDEX by_id ON jobs(id);
        CREATE INDEX by_state ON jobs(state,type,uid,user);
        CREATE INDEX by_end ON jobs(finished_at,result_size) WHERE finished_at > 0;
        CREATE TABLE results(sequence INTEGER PRIMARY KEY, result TEXT NOT NULL);
        CREATE TABLE damage(
            number INTEGER PRIMARY KEY, at REAL NOT NULL, what TEXT NOT NULL,
            set_aside TEXT NOT NULL, carried INTEGER NOT NULL, lost INTEGER NOT NULL,
            results_lost INTEGER NOT NULL, complete INTEGER NOT NULL);
        PRAGMA application_id=1802726771;
        PRAGMA user_version=1;
        COMMIT;)");
}
static_assert(application_id == 1802726771 && schema_version == 1, "what make_schema writes");

Status set_up(Database& database) {
    // Set before the first access to the log: no -shm file then, and nobody else gets in.
    KSMS_CHECK(database.run("PRAGMA locking_mode=EXCLUSIVE"));
    KSMS_TRY(const auto mode, database.text("PRAGMA journal_mode=WAL"));
    if (mode != "wal") return fail_errno(EIO, "the database does not take journal_mode=WAL");
    // The log shrinks again after a large result.
    return database.run(
        "PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=16777216;"
        "PRAGMA temp_store=MEMORY;");
}

Result<Job> job_of(const Statement& row) {
    const auto type = job_type(row.text(2));
    const auto state = job_state(row.text(5));
    if (!type || !state || row.text(0).empty())
        return fail_errno(EUCLEAN, fmt::format("job {} of the database", row.integer(1)));
    Job job;
    job.id = row.text(0);
    job.sequence = static_cast<std::uint64_t>(row.integer(1));
    job.type = *type;
    job.user = row.text(3);
    job.uid = static_cast<uid_t>(row.integer(4));
    job.state = *state;
    job.submitted_at = row.real(6);
    job.started_at = row.real(7);
    job.finished_at = row.real(8);
    if (!row.is_null(9)) job.dscp = static_cast<int>(row.integer(9));
    job.runs = static_cast<unsigned>(row.integer(10));
    job.result_size = static_cast<std::uint64_t>(row.integer(11));
    job.request = row.text(12);
    job.error = row.text(13);
    return job;
}

void bind_job(Statement& statement, const Job& job) {
    statement.bind(1, job.id).bind(3, name_of(job.type)).bind(4, job.user);
    if (job.sequence == 0)
        statement.bind_null(2);
    else
        statement.bind(2, static_cast<std::int64_t>(job.sequence));
    statement.bind(5, std::int64_t{job.uid}).bind(6, name_of(job.state));
    statement.bind(7, job.submitted_at).bind(8, job.started_at).bind(9, job.finished_at);
    if (job.dscp)
        statement.bind(10, std::int64_t{*job.dscp});
    else
        statement.bind_null(10);
    statement.bind(11, std::int64_t{job.runs});
    statement.bind(12, static_cast<std::int64_t>(job.result_size));
    statement.bind(13, job.request).bind(14, job.error);
}

}  // namespace ksms
