// SPDX-License-Identifier: BSD-2-Clause
#include "queue/schema.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace ksms {

// Results have a separate table, so that a list of jobs does not read megabytes. integrity_check
// verifies the CHECK constraints.
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
        PRAGMA application_id=1802726771;
        PRAGMA user_version=1;
        COMMIT;)");
}
static_assert(application_id == 1802726771 && schema_version == 1, "what make_schema writes");

Status set_up(Database& database) {
    // Before the first access to the log: no -shm file is created, and no other process can open
    // the database.
    KSMS_CHECK(database.run("PRAGMA locking_mode=EXCLUSIVE"));
    KSMS_TRY(const auto mode, database.text("PRAGMA journal_mode=WAL"));
    if (mode != "wal") return fail_errno(EIO, "the database does not take journal_mode=WAL");
    // The log shrinks after a large result.
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

}  // namespace ksms
