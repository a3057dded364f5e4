// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "queue/file.hpp"
#include "queue/schema.hpp"

namespace ksms {
namespace {

constexpr const char* lost_error =
    R"({"code":"failed","message":"the queue's database was damaged, and this job was on a damaged page","hint":"submit it again"})";

/// What the indexes know of a job: enough to tell its user about it.
using Known = std::map<std::int64_t, Job>;

/// Runs over a statement until it ends or the damage stops it. True: it ended.
template <typename Row>
bool each(Database& database, const char* sql, Row row) {
    auto statement = Statement::prepare(database, sql);
    if (!statement) return false;
    for (;;) {
        auto more = statement->step();
        if (!more) return false;
        if (!*more) return true;
        row(*statement);
    }
}

/// Every job that anything readable mentions. An index is a tree of its own, and so is each table.
/// @return whether all of its jobs are
bool mentioned(Database& damaged, Known& known) {
    const auto named = [&](const Statement& row) { known[row.integer(0)].id = row.text(1); };
    const auto owned = [&](const Statement& row) {
        auto& job = known[row.integer(0)];
        job.type = job_type(row.text(1)).value_or(JobType::fast);
        job.uid = static_cast<uid_t>(row.integer(2));
        job.user = row.text(3);
    };
    const bool ids = each(damaged, "SELECT sequence,id FROM jobs INDEXED BY by_id", named);
    const bool owners =
        each(damaged, "SELECT sequence,type,uid,user FROM jobs INDEXED BY by_state", owned);
    // From both ends, up to the damage.
    const auto seen = [&](const Statement& row) { known.try_emplace(row.integer(0)); };
    const bool rows =
        each(damaged, "SELECT sequence FROM jobs NOT INDEXED ORDER BY sequence", seen);
    if (!rows) each(damaged, "SELECT sequence FROM jobs NOT INDEXED ORDER BY sequence DESC", seen);
    return ids || owners || rows;
}

std::optional<Job> read_job(Database& damaged, std::int64_t sequence) {
    auto row = Statement::prepare(
        damaged, "SELECT " KSMS_JOB_COLUMNS " FROM jobs NOT INDEXED WHERE sequence=?1");
    if (!row) return std::nullopt;
    row->bind(1, sequence);
    const auto there = row->step();
    if (!there || !*there) return std::nullopt;
    auto job = job_of(*row);
    return job ? std::optional(std::move(*job)) : std::nullopt;
}

std::optional<std::string> read_result(Database& damaged, std::int64_t sequence) {
    auto row = Statement::prepare(damaged, "SELECT result FROM results WHERE sequence=?1");
    if (!row) return std::nullopt;
    row->bind(1, sequence);
    const auto there = row->step();
    if (!there || !*there) return std::nullopt;
    return row->text(0);
}

/// A job of which only the indexes speak.
Job lost_job(Job job, std::int64_t sequence, double now) {
    if (job.id.empty()) job.id = fmt::format("lost-{}", sequence);
    job.sequence = static_cast<std::uint64_t>(sequence);
    job.state = JobState::failed;
    job.submitted_at = job.finished_at = now;
    job.error = lost_error;
    return job;
}

/// What `read` finds in the first of them that has it.
template <typename Read>
auto first_of(Sources sources, std::int64_t sequence, Read read) {
    decltype(read(*sources.front(), sequence)) found;
    for (auto* const source : sources)
        if (!found) found = read(*source, sequence);
    return found;
}

Status carry(Sources sources, Database& fresh, std::int64_t sequence, const Job& mention,
             Damage& report) {
    auto job = first_of(sources, sequence, read_job);
    std::optional<std::string> result;
    if (job) {
        if (job->result_size > 0) {
            result = first_of(sources, sequence, read_result);
            if (!result) {
                ++report.results_lost;
                job->result_size = 0;
            }
        }
        ++report.carried;
    } else {
        job = lost_job(mention, sequence, report.at);
        ++report.lost;
    }
    KSMS_TRY(auto insert,
             Statement::prepare(fresh, "INSERT OR IGNORE INTO jobs(" KSMS_JOB_COLUMNS
                                       ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"));
    bind_job(insert, *job);
    KSMS_CHECK(insert.run());
    if (!result) return {};
    KSMS_TRY(auto store, Statement::prepare(fresh, "INSERT INTO results VALUES(?1,?2)"));
    store.bind(1, sequence).bind(2, *result);
    return store.run();
}

}  // namespace

Status salvage(Sources sources, Database& fresh, Damage& report) {
    Known known;
    bool complete = false;
    for (auto* const source : sources) complete |= mentioned(*source, known);
    report.complete &= complete;
    // A damaged sequence number must not make us believe in jobs that never were.
    std::erase_if(known, [](const auto& each) { return each.first <= 0; });
    KSMS_TRY(auto transaction, Transaction::begin(fresh));
    for (const auto& [sequence, mention] : known)
        KSMS_CHECK(carry(sources, fresh, sequence, mention, report));
    return transaction.commit();
}

}  // namespace ksms
