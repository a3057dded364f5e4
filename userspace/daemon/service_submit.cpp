// SPDX-License-Identifier: BSD-2-Clause
// Submits a job: checks that it is valid, allowed, within the limits, and new.
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "daemon/allowance.hpp"
#include "daemon/job_text.hpp"
#include "daemon/order.hpp"
#include "daemon/problem.hpp"
#include "daemon/service.hpp"
#include "http/json_body.hpp"
#include "request/scan_request.hpp"

namespace ksms {
namespace {

using nlohmann::json;

// Limits of the requests of unfinished jobs, which are kept in memory: all users together (root may
// have twice as much), and one user.
constexpr std::uint64_t kMostBytes = 32ULL * 1024 * 1024;
constexpr std::uint64_t kMostBytesUser = 8ULL * 1024 * 1024;
// A parsed request of at most this size is kept until the job starts. A larger one is parsed again,
// because 6 bytes ("-,U:-") can stand for half a megabyte of services.
constexpr std::size_t kMostKept = 2048;
// A burst may have the jobs of this many seconds.
constexpr double kBurst = 10;
constexpr std::size_t kMostBuckets = 4096;

/// A unique name: "job-" and 64 random bits.
std::string made_up_id() {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number) number = in_ns(monotonic());
    return fmt::format("job-{:016x}", number);
}

Problem full(std::string detail) {
    auto why =
        problem(429, "Too many jobs", std::move(detail), "wait for some of them, or cancel them");
    why.retry_after = 5;
    return why;
}

}  // namespace

std::unexpected<Problem> KsmsService::rejected(const char* reason, Problem why) {
    ++board_.figures().rejected[reason];
    return std::unexpected(std::move(why));
}

void KsmsService::find_owner(const Caller& caller, const std::string& user,
                             std::function<void(Answer<Job>)> then) {
    Job job;
    job.uid = caller.uid;
    job.user = caller.user;
    if (user.empty() || user == caller.user) return then(std::move(job));
    if (!caller.trusted)
        return then(std::unexpected(
            problem(403, "Not allowed", fmt::format("\"user\": {}: you are {}", user, caller.user),
                    "omit it; only root submits for others")));
    job.user = user;
    peers_.find(user, [job, then = std::move(then)](std::optional<uid_t> uid) mutable {
        if (uid) job.uid = *uid;
        then(std::move(job));
    });
}

void KsmsService::submit(const Caller& caller, const std::string& text, Then<SubmittedJob> then) {
    if (board_.is_stopping())
        return then(rejected("shutting_down", not_now(5, "ksmsd is being stopped", {})));
    // Before parsing, because refused requests cost time too.
    if (!caller.trusted && is_too_fast(caller.uid)) return then(rejected("rate_limit", too_fast()));
    const auto body = parse_json_body(text);
    if (!body) return then(rejected("invalid", body.error()));
    const auto request = make_job_request(*body, config_.limits);
    if (!request) return then(rejected("invalid", problem_of(request.error())));
    if (!caller.trusted)
        if (const auto allowed = allows(config_.service.allow, *request); !allowed)
            return then(rejected("not_allowed", problem_of(allowed.error())));
    Submission submission;
    submission.trusted = caller.trusted;
    submission.named = !request->id.empty();
    submission.job.id = submission.named ? request->id : made_up_id();
    submission.job.type = request->detailed ? JobType::detailed : JobType::fast;
    submission.job.request = dump(*body);
    if (submission.job.request.size() + request->services.size() * sizeof(Service) <= kMostKept)
        submission.request = std::make_shared<ScanRequest>(*request);
    if (request->dscp) submission.job.dscp = *request->dscp;
    find_owner(caller, request->user, [this, submission, then](Answer<Job> owner) mutable {
        if (!owner) return then(rejected("invalid", std::move(owner).error()));
        submission.job.uid = owner->uid;
        submission.job.user = owner->user;
        look_for(std::move(submission), then);
    });
}

/// The same request under the same id is not a new job, even if the queue is full.
void KsmsService::look_for(Submission submission, const Then<SubmittedJob>& then) {
    if (!submission.named) return enqueue(submission, then);
    const auto id = submission.job.id;
    board_.find(id, [this, submission = std::move(submission), then](const Result<Job>& known) {
        if (known) return then(same_or_conflict(submission, *known));
        if (known.error().code != Code::not_found)
            return then(std::unexpected(problem_of(known.error())));
        enqueue(submission, then);
    });
}

void KsmsService::enqueue(const Submission& submission, const Then<SubmittedJob>& then) {
    if (auto why = too_much(submission)) return then(rejected(why->first, std::move(why->second)));
    board_.submit(submission.job, submission.request,
                  [this, submission, then](const Result<Submitted>& submitted) {
                      if (!submitted) return then(std::unexpected(problem_of(submitted.error())));
                      if (submitted->existed)
                          return then(same_or_conflict(submission, submitted->job));
                      const auto* now = board_.live(submission.job.id);
                      then(SubmittedJob{submission.job.id,
                                        name_of(now ? now->state : JobState::queued), true});
                  });
}

Answer<SubmittedJob> KsmsService::same_or_conflict(const Submission& submission, const Job& known) {
    const auto& job = submission.job;
    if (known.uid == job.uid && canonical(known.request) == job.request)
        return SubmittedJob{known.id, name_of(known.state), false};
    return rejected("conflict", problem(409, "The id is taken",
                                        fmt::format("\"id\": {}: another job has it", job.id),
                                        "choose another, or omit it"));
}

/// The last tenth of the queue, and half of the memory, are reserved for root.
std::optional<std::pair<const char*, Problem>> KsmsService::too_much(const Submission& submission) {
    using Refusal = std::pair<const char*, Problem>;
    const auto& limits = config_.service;
    const auto& job = submission.job;
    const auto all = board_.load();
    const auto more = job.request.size();
    const auto most = submission.trusted
                          ? limits.max_queued
                          : std::max<std::uint64_t>(1, limits.max_queued - limits.max_queued / 10);
    if (all.jobs >= most)
        return Refusal("queue_full", full(fmt::format("{} jobs of all users are not over", most)));
    const auto bytes = submission.trusted ? 2 * kMostBytes : kMostBytes;
    if (all.bytes + more > bytes)
        return Refusal("queue_full",
                       full(fmt::format("the requests of all jobs that are not over have "
                                        "{} bytes, and may have {}",
                                        all.bytes, bytes)));
    if (submission.trusted) return std::nullopt;
    const auto own = board_.load_of(job.uid);
    if (own.jobs >= limits.max_queued_user)
        return Refusal("user_limit",
                       full(fmt::format("{} jobs of yours are not over", limits.max_queued_user)));
    if (own.bytes + more > kMostBytesUser)
        return Refusal("user_limit", full(fmt::format("the requests of your jobs that are not over "
                                                      "have {} bytes, and may have {}",
                                                      own.bytes, kMostBytesUser)));
    return std::nullopt;
}

Problem KsmsService::too_fast() const {
    auto why = problem(
        429, "Too fast",
        fmt::format("more than {} jobs a second of yours", config_.service.submit_rate_user),
        "submit more slowly, or several services in one job");
    why.retry_after = 1;
    return why;
}

bool KsmsService::is_too_fast(uid_t uid) {
    const auto now = monotonic();
    const auto rate = static_cast<double>(config_.service.submit_rate_user);
    if (buckets_.size() >= kMostBuckets) buckets_.clear();
    auto& bucket = buckets_.try_emplace(uid, Bucket{rate * kBurst, now}).first->second;
    bucket.left = std::min(rate * kBurst, bucket.left + rate * Seconds(now - bucket.at).count());
    bucket.at = now;
    if (bucket.left < 1) return true;
    bucket.left -= 1;
    return false;
}

}  // namespace ksms
