// SPDX-License-Identifier: BSD-2-Clause
// Shows, lists, cancels and watches jobs. Submitting is in service_submit.cpp.
#include "daemon/service.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "daemon/job_text.hpp"
#include "daemon/metrics.hpp"
#include "daemon/order.hpp"
#include "daemon/problem.hpp"
#include "output/leases.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

using nlohmann::json;

// Limit of one page of a list.
constexpr std::size_t kPageBytes = 1024UL * 1024;

Problem no_such_job(const std::string& id) {
    return problem(404, "No such job", fmt::format("no job {}", id),
                   "`ksmsctl job list` shows yours");
}

/// A page of the list as JSON. Runs on the database thread.
Result<std::string> page_of(JobStore& store, JobFilter filter, std::size_t limit) {
    std::string text = "{\"jobs\":[";
    filter.limit = limit + 1;
    KSMS_TRY(const auto found, store.list(filter));
    std::size_t count = 0;
    std::optional<std::uint64_t> last;
    for (const auto& job : found) {
        if (count == limit || text.size() > kPageBytes) break;
        text += (count++ == 0 ? "" : ",") + job_text(job, false);
        last = job.sequence;
    }
    const bool more = count < found.size();
    return text + fmt::format("],\"more\":{},\"next\":{}}}", more,
                              more ? fmt::format("\"{}\"", *last) : "null");
}

Answer<JobFilter> filter_of(const Caller& caller, const JobQuery& query) {
    if (!caller.trusted && query.user && *query.user != caller.user)
        return std::unexpected(problem(403, "Not allowed",
                                       fmt::format("user={}: you are {}", *query.user, caller.user),
                                       "you see your own jobs without it"));
    JobFilter filter;
    if (!caller.trusted) filter.uid = caller.uid;
    filter.user = query.user;
    if (query.type) filter.type = job_type(*query.type);
    if (query.state) filter.state = job_state(*query.state);
    if (query.before.empty()) return filter;
    filter.before = parse_number<std::uint64_t>(query.before);
    if (!filter.before)
        return std::unexpected(problem(400, "The request is wrong",
                                       fmt::format("before={}: not one of ours", query.before),
                                       "take `next` of the page before"));
    return filter;
}

}  // namespace

KsmsService::KsmsService(JobBoard& board, Health& health, const Objects& objects,
                         const Config& config, PeerNames& peers)
    : board_(board),
      health_(health),
      objects_(objects),
      config_(config),
      started_at_(realtime_s()),
      peers_(peers) {}

/// A job that the caller may not see is reported as not found.
void KsmsService::visible(const Caller& caller, const std::string& id, const Then<Job>& then) {
    board_.find(id, [trusted = caller.trusted, uid = caller.uid, id, then](Result<Job> job) {
        if (job && (trusted || job->uid == uid)) return then(std::move(*job));
        if (!job && job.error().code != Code::not_found)
            return then(std::unexpected(problem_of(job.error())));
        then(std::unexpected(no_such_job(id)));
    });
}

void KsmsService::job(const Caller& caller, const std::string& id, Then<JobDocument> then) {
    struct Found {
        uid_t uid;
        JobDocument document;
    };
    const auto found_in = [](const Job& job) {
        return Found{job.uid, {job_text(job, true), is_finished(job.state)}};
    };
    const auto answer = [trusted = caller.trusted, uid = caller.uid, id,
                         then](Result<Found> found) {
        if (!found && found.error().code != Code::not_found)
            return then(std::unexpected(problem_of(found.error())));
        if (!found || (!trusted && found->uid != uid))
            return then(std::unexpected(no_such_job(id)));
        then(std::move(found->document));
    };
    if (const auto job = board_.remembered(id)) return answer(found_in(*job));
    // The document may be large, so it is built on the database thread.
    board_.records().ask(
        [id, found_in](JobStore& store) -> Result<Found> {
            KSMS_TRY(const auto job, store.find(id));
            return found_in(job);
        },
        answer);
}

void KsmsService::jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) {
    auto filter = filter_of(caller, query);
    if (!filter) return then(std::unexpected(filter.error()));
    board_.records().ask([filter = std::move(*filter), limit = std::size_t{query.limit}](
                             JobStore& store) { return page_of(store, filter, limit); },
                         [then = std::move(then)](Result<std::string> page) {
                             if (page) return then(std::move(*page));
                             then(std::unexpected(problem_of(page.error())));
                         });
}

void KsmsService::cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) {
    visible(caller, id, [this, id, then = std::move(then)](Answer<Job> job) {
        if (!job) return then(std::unexpected(std::move(job).error()));
        if (board_.live(id) == nullptr)
            return then(std::unexpected(
                problem(409, "The job is over", fmt::format("{} is {}", id, name_of(job->state)))));
        board_.cancel(id, [then](const Job& after) {
            then(JobDocument{job_text(after, false), is_finished(after.state)});
        });
    });
}

void KsmsService::watch(const Caller& caller, const std::string& id, std::uint64_t after,
                        std::function<void(const JobEvent&)> event, Then<Subscription> then) {
    visible(caller, id,
            [this, after, event = std::move(event), then = std::move(then)](Answer<Job> job) {
                if (!job) return then(std::unexpected(job.error()));
                then(board_.watch(*job, after, event));
            });
}

void KsmsService::registry(const Caller&, Then<std::string> then) {
    const Registry registry(objects_.registry, config_.limits);
    const auto leases = registry.list();
    if (!leases) return then(std::unexpected(problem_of(leases.error())));
    std::string text;
    write_leases_json(*leases, Moment::now(), false,
                      [&text](std::string_view piece) { text += piece; });
    then(std::move(text));
}

void KsmsService::status(const Caller&, Then<std::string> then) {
    const auto counts = board_.counts();
    const auto mode = board_.mode();
    json leases = {{"used", 0}, {"free", 0}, {"total", 0}};
    if (const auto use = health_.use(config_))
        leases = {{"used", use->used}, {"free", use->free()}, {"total", use->capacity}};
    const bool full = mode.why == SchedulerMode::Why::configured;
    then(dump(
        {{"version", KSMS_VERSION},
         {"state", board_.is_stopping() ? "stopping" : "running"},
         {"uptime_s", realtime_s() - started_at_},
         {"jobs",
          {{"queued", counts.queued[0] + counts.queued[1]},
           {"running", counts.running[0] + counts.running[1]}}},
         {"leases", leases},
         {"mode", {{"parallel", mode.fast}, {"why", full ? json(nullptr) : json(mode.text)}}}}));
}

void KsmsService::health(const Caller&, Then<ServiceHealth> then) {
    board_.records().look();
    then(health_.report());
}

void KsmsService::metrics(const Caller&, Then<std::string> then) {
    board_.records().look();
    then(metrics_text({board_, health_, objects_, config_, watch_,
                       front_ == nullptr ? Front::Figures{} : front_->figures(), started_at_,
                       KSMS_VERSION}));
}

void KsmsService::names(const Caller& caller, Then<CallerNames> then) {
    peers_.look_up(caller.uid, caller.gid,
                   [then = std::move(then)](const CallerNames& names) { then(names); });
}

}  // namespace ksms
