// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/service.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/random.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "daemon/job_text.hpp"
#include "daemon/metrics.hpp"
#include "daemon/order.hpp"
#include "output/leases.hpp"
#include "registry/registry.hpp"
#include "request/job_request.hpp"

namespace ksms {
namespace {

using nlohmann::json;

Problem problem(int status, std::string title, std::string detail, std::string hint = {}) {
    Problem result;
    result.status = status;
    result.title = std::move(title);
    result.detail = std::move(detail);
    result.hint = std::move(hint);
    return result;
}

/// What an error of ours is on the wire.
Problem problem_of(const Error& error) {
    switch (error.code) {
        case Code::usage: return problem(400, "The request is wrong", error.text(), error.hint);
        case Code::not_found: return problem(404, "Not found", error.text(), error.hint);
        case Code::not_allowed: return problem(403, "Not allowed", error.text(), error.hint);
        default: break;
    }
    auto result = problem(503, "Not possible now", error.text(), error.hint);
    result.retry_after = 5;
    return result;
}

/// A name that no other job has: "job-" and 64 random bits.
std::string made_up_id() {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number) number = monotonic_ns();
    return fmt::format("job-{:016x}", number);
}

}  // namespace

KsmsService::KsmsService(JobBoard& board, Health& health, const Objects& objects,
                         const Config& config)
    : board_(board),
      health_(health),
      objects_(objects),
      config_(config),
      started_at_(realtime_s()) {}

std::unexpected<Problem> KsmsService::rejected(const char* reason, Problem why) {
    ++board_.figures().rejected[reason];
    return std::unexpected(std::move(why));
}

Answer<Job> KsmsService::owned_by(const Caller& caller,
                                  const std::optional<std::string>& user) const {
    Job job;
    job.uid = caller.uid;
    job.user = caller.user;
    if (!user || *user == caller.user) return job;
    if (!caller.trusted)
        return std::unexpected(problem(403, "Not allowed",
                                       fmt::format("\"user\": {}: you are {}", *user, caller.user),
                                       "leave it away; only root submits for others"));
    job.user = *user;
    if (const auto* known = ::getpwnam(user->c_str())) job.uid = known->pw_uid;
    return job;
}

Answer<SubmittedJob> KsmsService::submit(const Caller& caller, const json& body) {
    if (board_.is_stopping()) {
        auto why = problem(503, "Shutting down", "ksmsd is being stopped");
        why.retry_after = 5;
        return rejected("shutting_down", std::move(why));
    }
    const auto request = make_job_request(body, config_);
    if (!request) return rejected("invalid", problem_of(request.error()));
    auto job = owned_by(caller, request->user);
    if (!job) return rejected("invalid", std::move(job).error());
    job->id = request->id.empty() ? made_up_id() : request->id;
    job->type = request->detailed ? JobType::detailed : JobType::fast;
    job->request = dump(body);
    if (request->scan.dscp) job->dscp = *request->scan.dscp;
    const auto known =
        request->id.empty() ? Result<Job>(fail(Code::not_found, "")) : board_.find(job->id, false);
    const auto conflict = [&] {
        return rejected("conflict", problem(409, "The id is taken",
                                            fmt::format("\"id\": {}: another job has it", job->id),
                                            "choose another, or leave it away"));
    };
    if (known) {
        if (known->uid != job->uid || canonical(known->request) != job->request) return conflict();
        return SubmittedJob{known->id, name_of(known->state), false};
    }
    const auto full = [](std::uint64_t most, const char* whose) {
        auto why =
            problem(429, "Too many jobs", fmt::format("{} jobs {} are not finished", most, whose),
                    "wait for some of them, or cancel them");
        why.retry_after = 5;
        return why;
    };
    if (board_.unfinished() >= config_.service.max_queued)
        return rejected("queue_full", full(config_.service.max_queued, "of all users"));
    if (!caller.trusted && board_.unfinished_of(job->uid) >= config_.service.max_queued_user)
        return rejected("user_limit", full(config_.service.max_queued_user, "of yours"));
    const auto submitted = board_.submit(*job);
    if (!submitted) return std::unexpected(problem_of(submitted.error()));
    if (submitted->existed) return conflict();
    const auto now = board_.find(job->id, false);
    return SubmittedJob{job->id, name_of(now ? now->state : JobState::queued), true};
}

/// What a caller may not see is not there.
Answer<Job> KsmsService::visible(const Caller& caller, const std::string& id, bool with_result) {
    auto job = board_.find(id, with_result);
    if (job && (caller.trusted || job->uid == caller.uid)) return std::move(*job);
    if (!job && job.error().code != Code::not_found)
        return std::unexpected(problem_of(job.error()));
    return std::unexpected(problem(404, "No such job", fmt::format("no job {}", id),
                                   "`ksmsctl job list` shows yours"));
}

Answer<JobDocument> KsmsService::job(const Caller& caller, const std::string& id) {
    auto job = visible(caller, id, true);
    if (!job) return std::unexpected(std::move(job).error());
    return JobDocument{job_text(*job, true), is_finished(job->state)};
}

Answer<std::string> KsmsService::jobs(const Caller& caller, const JobQuery& query) {
    if (!caller.trusted && query.user && *query.user != caller.user)
        return std::unexpected(problem(403, "Not allowed",
                                       fmt::format("user={}: you are {}", *query.user, caller.user),
                                       "you see your own jobs without it"));
    JobFilter filter;
    if (!caller.trusted) filter.uid = caller.uid;
    if (query.state) filter.states = {*job_state(*query.state)};
    if (!query.before.empty()) {
        std::uint64_t number = 0;
        const auto* end = query.before.data() + query.before.size();
        const auto [stopped, failed] = std::from_chars(query.before.data(), end, number);
        if (failed != std::errc() || stopped != end)
            return std::unexpected(problem(400, "The request is wrong",
                                           fmt::format("before={}: not one of ours", query.before),
                                           "take `next` of the page before"));
        filter.before = number;
    }
    // Type and user are looked at here: a page of the store may hold few of them.
    constexpr int kMostPages = 50;
    filter.limit = 1000;
    std::string text = "{\"jobs\":[";
    std::size_t count = 0;
    bool more = false;
    for (int page = 0; page < kMostPages && !more; ++page) {
        const auto found = board_.list(filter);
        if (!found) return std::unexpected(problem_of(found.error()));
        for (const auto& job : *found) {
            if (query.type && *query.type != name_of(job.type)) continue;
            if (query.user && *query.user != job.user) continue;
            if (count == query.limit) {
                more = true;
                break;
            }
            text += (count++ == 0 ? "" : ",") + job_text(job, false);
            filter.before = job.sequence;
        }
        if (found->size() < filter.limit) break;
        if (!more) filter.before = found->back().sequence;
        more |= page + 1 == kMostPages;
    }
    return text + fmt::format("],\"more\":{},\"next\":{}}}", more,
                              more ? fmt::format("\"{}\"", *filter.before) : "null");
}

Answer<JobDocument> KsmsService::cancel(const Caller& caller, const std::string& id) {
    auto job = visible(caller, id, false);
    if (!job) return std::unexpected(std::move(job).error());
    if (is_finished(job->state))
        return std::unexpected(
            problem(409, "The job is over", fmt::format("{} is {}", id, name_of(job->state))));
    const auto after = board_.cancel(id);
    if (!after) return std::unexpected(problem_of(after.error()));
    return JobDocument{job_text(*after, false), is_finished(after->state)};
}

Answer<Subscription> KsmsService::watch(const Caller& caller, const std::string& id,
                                        std::uint64_t after,
                                        std::function<void(const JobEvent&)> event) {
    const auto job = visible(caller, id, false);
    if (!job) return std::unexpected(job.error());
    return board_.watch(*job, after, std::move(event));
}

Answer<std::string> KsmsService::registry(const Caller&) {
    const Registry registry(objects_.registry, config_.limits);
    const auto leases = registry.list();
    if (!leases) return std::unexpected(problem_of(leases.error()));
    std::string text;
    write_leases_json(*leases, Moment::now(), false,
                      [&text](std::string_view piece) { text += piece; });
    return text;
}

Answer<std::string> KsmsService::status(const Caller&) {
    const auto counts = board_.counts();
    const auto mode = board_.mode();
    json leases = {{"used", 0}, {"free", 0}, {"total", 0}};
    if (const auto use = health_.use(config_))
        leases = {{"used", use->used}, {"free", use->free()}, {"total", use->capacity}};
    const bool full = mode.why == SchedulerMode::Why::configured;
    return dump(
        {{"version", KSMS_VERSION},
         {"state", board_.is_stopping() ? "stopping" : "running"},
         {"uptime_s", realtime_s() - started_at_},
         {"jobs",
          {{"queued", counts.queued[0] + counts.queued[1]},
           {"running", counts.running[0] + counts.running[1]}}},
         {"leases", leases},
         {"mode", {{"parallel", mode.fast}, {"why", full ? json(nullptr) : json(mode.text)}}}});
}

ServiceHealth KsmsService::health() {
    return health_.report();
}

std::string KsmsService::metrics() {
    return metrics_text({board_, health_, objects_, config_, started_at_, KSMS_VERSION});
}

}  // namespace ksms
