// SPDX-License-Identifier: BSD-2-Clause
// The schema of jobs.db, and reading of jobs.
#pragma once

#include "queue/job.hpp"
#include "queue/sqlite.hpp"

namespace ksms {

/// "ksms": identifies our database, also for file(1).
inline constexpr int application_id = 0x6b736d73;
inline constexpr int schema_version = 1;

/// Creates the tables in an empty file.
[[nodiscard]] Status make_schema(Database& database);

/// Sets the mode of a connection: WAL, synchronous=FULL, one process.
[[nodiscard]] Status set_up(Database& database);

/// The columns that job_of() reads.
#define KSMS_JOB_COLUMNS                                                                         \
    "id,sequence,type,user,uid,state,submitted_at,started_at,finished_at,dscp,runs,result_size," \
    "request,error"
/// The same without the request, which may be large.
#define KSMS_LISTED_COLUMNS                                                                      \
    "id,sequence,type,user,uid,state,submitted_at,started_at,finished_at,dscp,runs,result_size," \
    "'',error"

/// Makes a job of a row of KSMS_JOB_COLUMNS; EUCLEAN if the row is invalid.
[[nodiscard]] Result<Job> job_of(const Statement& row);

}  // namespace ksms
