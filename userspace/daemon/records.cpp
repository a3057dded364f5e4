// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/records.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/clock.hpp"
#include "daemon/log.hpp"

namespace ksms {
namespace {

constexpr std::chrono::seconds kDiskLookEvery{5};
constexpr std::chrono::seconds kDiskPatience{5};

std::uint64_t size_of_files(const std::string& directory) {
    std::uint64_t bytes = 0;
    for (const char* file : {"jobs.db", "jobs.db-wal", "jobs.db-shm"}) {
        struct stat status{};
        if (::stat((directory + "/" + file).c_str(), &status) == 0)
            bytes += static_cast<std::uint64_t>(status.st_size);
    }
    return bytes;
}

Records::Facts look_at(JobStore& store, const std::string& directory) {
    Records::Facts facts;
    facts.writable = store.writable();
    facts.damage = store.damage();
    facts.bytes = size_of_files(directory);
    facts.jobs = store.size().value_or(0);
    return facts;
}

/// Enters a job whose database was set aside while the job ran.
Status enter(JobStore& store, const Job& job) {
    KSMS_CHECK(store.submit(job));
    return job.started_at > 0 ? store.started(job.id, job.dscp, job.started_at) : Status{};
}

Status finish(JobStore& store, const Job& job) {
    const auto finished = [&] {
        return store.finished(job.id, job.state, job.result, job.error, job.finished_at);
    };
    auto written = finished();
    if (written || written.error().code != Code::not_found) return written;
    KSMS_CHECK(enter(store, job));
    return finished();
}

}  // namespace

void log_damage(const Damage& damage) {
    log(LogLevel::error,
        fmt::format("the database was damaged: {}; {}", damage.text(), damage.hint()));
}

Records::Records(boost::asio::io_context& io, JobStore store, std::string directory)
    : store_(std::make_shared<JobStore>(std::move(store))),
      directory_(std::move(directory)),
      facts_(look_at(*store_, directory_)),
      looked_at_(monotonic()),
      disk_(io, "ksmsd-disk") {}

Records::~Records() = default;

bool Records::repaired(JobStore& store, const Error& why) {
    const auto repaired = store.repair(why);
    if (!repaired)
        log(LogLevel::error, repaired.error().text());
    else if (const auto& damage = store.damage())
        log_damage(*damage);
    return repaired.has_value();
}

void Records::failed(const Error& error, const std::string& id) {
    ++errors_;
    log(LogLevel::warning, error.text(), {{"KSMS_JOB", id}});
    looked_at_ = {};
    look();
}

void Records::submit(Job job, Then<Submitted> then) {
    auto shared = std::make_shared<const Job>(std::move(job));
    ask([shared](JobStore& store) { return store.submit(*shared); },
        [this, shared, then = std::move(then)](Result<Submitted> submitted) {
            if (!submitted) failed(submitted.error(), shared->id);
            then(std::move(submitted));
        });
}

void Records::started(const std::string& id, std::optional<int> dscp, double at) {
    ask([id, dscp, at](JobStore& store) { return store.started(id, dscp, at); },
        [this, id](const Status& written) {
            if (!written) failed(written.error(), id);
        });
}

void Records::finished(const std::shared_ptr<const Job>& job, Then<void> then) {
    ask([job](JobStore& store) { return finish(store, *job); },
        [this, job, then = std::move(then)](Status written) {
            if (!written && written.error().code != Code::not_found)
                failed(written.error(), job->id);
            then(std::move(written));
        });
}

void Records::requeued(const std::string& id, RunEnded how) {
    ask([id, how](JobStore& store) { return store.requeued(id, how); },
        [this, id](const Status& written) {
            if (!written) failed(written.error(), id);
        });
}

void Records::find(const std::string& id, Then<Job> then) {
    ask([id](JobStore& store) { return store.find(id, false); }, std::move(then));
}

void Records::prune(const Retention& keep, Then<Pruned> then) {
    ask([keep](JobStore& store) { return store.prune(realtime_s(), keep); }, std::move(then));
}

Status Records::state() const {
    const auto busy = std::chrono::duration_cast<std::chrono::seconds>(disk_.lane().busy_for());
    if (busy >= kDiskPatience)
        return fail(
            Code::failed,
            fmt::format("the disk of {} has not answered for {} s", directory_, busy.count()),
            "jobs that run go on; what they bring is written when it answers");
    return facts_.writable;
}

void Records::look() {
    const auto now = monotonic();
    const bool recent = now - looked_at_ < kDiskLookEvery && facts_.writable;
    if (looking_ || recent) return;
    looking_ = true;
    looked_at_ = now;
    disk_.run([store = store_, directory = directory_] { return look_at(*store, directory); },
              [this](Facts facts) {
                  looking_ = false;
                  facts_ = std::move(facts);
              });
}

}  // namespace ksms
