// SPDX-License-Identifier: BSD-2-Clause
// What stands in jobs.db, and how a job is written and read.
#pragma once

#include "queue/job.hpp"
#include "queue/sqlite.hpp"

namespace ksms {

/// "ksms", so that `file` and we know whose database it is.
inline constexpr int application_id = 0x6b736d73;
inline constexpr int schema_version = 1;

/// Makes the tables of an empty file.
[[nodiscard]] Status make_schema(Database& database);

/// How a connection is used: WAL, synchronous=FULL, one process.
[[nodiscard]] Status set_up(Database& database);

/// The columns that job_of() reads.
#define KSMS_JOB_COLUMNS                                                                         \
    "id,sequence,type,user,uid,state,submitted_at,started_at,finished_at,dscp,runs,result_size," \
    "request,error"
/// The same without the request, which may be large.
#define KSMS_LISTED_COLUMNS                                                                      \
    "id,sequence,type,user,uid,state,submitted_at,started_at,finished_at,dscp,runs,result_size," \
    "'',error"

/// A job of a row of KSMS_JOB_COLUMNS; an EUCLEAN where the row cannot be one.
[[nodiscard]] Result<Job> job_of(const Statement& row);

}  // namespace ksms
