// SPDX-License-Identifier: BSD-2-Clause
#include "harness.hpp"
#include "http/json_body.hpp"
#include "http/problem.hpp"

namespace ksms::test {
namespace {

bool is_over(const std::string& state) {
    return state != "queued" && state != "running";
}

std::unexpected<Problem> no_job(const std::string& id) {
    return std::unexpected(
        make_problem(404, "there is no job " + id, "ksmsctl job list shows them"));
}

}  // namespace

std::string FakeService::document(const std::string& id, bool with_result) const {
    const auto& job = jobs_.at(id);
    nlohmann::ordered_json out{{"id", id},
                               {"type", "fast"},
                               {"user", "somebody"},
                               {"state", job.state},
                               {"submitted_at", 1.5},
                               {"started_at", nullptr},
                               {"finished_at", nullptr},
                               {"dscp", nullptr},
                               {"request", job.request},
                               {"result", nullptr},
                               {"error", nullptr}};
    if (with_result && job.state == "done")
        out["result"] = nlohmann::json{{"schema", "ksms.scan/1"}, {"padding", padding}};
    if (job.state == "failed")
        out["error"] =
            nlohmann::json{{"code", "failed"}, {"message", "it failed"}, {"hint", nullptr}};
    return out.dump();
}

void FakeService::add(const std::string& id, const std::string& state) {
    jobs_[id] = Job{state, nlohmann::json{{"type", "fast"}, {"source", "10.0.0.1"}}, {}};
    emit(id, "state", document(id, false));
}

void FakeService::emit(const std::string& id, const std::string& name, const std::string& data) {
    auto& events = jobs_.at(id).events;
    events.push_back({events.size() + 1, name, data});
    const auto event = events.back();
    const auto all = watchers_;
    for (const auto& [number, watcher] : all)
        if (watcher.first == id) watcher.second(event);
}

void FakeService::finish(const std::string& id, const std::string& state) {
    jobs_.at(id).state = state;
    emit(id, "state", document(id, false));
    emit(id, "end", nlohmann::json{{"id", id}, {"state", state}}.dump());
}

Answer<SubmittedJob> FakeService::submit_now(const Caller& caller, const std::string& text) {
    const auto parsed = parse_json_body(text);
    if (!parsed) return std::unexpected(parsed.error());
    const auto& body = *parsed;
    ++submissions;
    last_user = caller.user;
    const auto id = body.value("id", "job-" + std::to_string(submissions));
    if (!body.contains("source"))
        return std::unexpected(make_problem(400, "source is missing", "\"source\": \"10.0.0.1\""));
    if (body.value("source", "") == "full") {
        auto problem = make_problem(429, "the queue is full");
        problem.type = "queue-full";
        problem.retry_after = 7;
        return std::unexpected(problem);
    }
    if (const auto found = jobs_.find(id); found != jobs_.end()) {
        if (found->second.request == body) return SubmittedJob{id, found->second.state, false};
        return std::unexpected(make_problem(409, "the id " + id + " is another job's"));
    }
    add(id, "queued");
    jobs_.at(id).request = body;
    return SubmittedJob{id, "queued", true};
}

Answer<JobDocument> FakeService::job_now(const std::string& id) {
    if (id == "throws") throw std::runtime_error("a fault of the service");
    if (!jobs_.contains(id)) return no_job(id);
    return JobDocument{document(id, true), is_over(jobs_.at(id).state)};
}

Answer<std::string> FakeService::jobs_now(const JobQuery& query) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& [id, job] : jobs_)
        if ((!query.state || job.state == *query.state) && list.size() < query.limit)
            list.push_back(nlohmann::json::parse(document(id, false)));
    return nlohmann::json{{"jobs", list}, {"more", false}, {"next", nullptr}}.dump();
}

Answer<JobDocument> FakeService::cancel_now(const std::string& id) {
    if (!jobs_.contains(id)) return no_job(id);
    auto& job = jobs_.at(id);
    if (is_over(job.state))
        return std::unexpected(make_problem(409, "the job " + id + " is finished already"));
    if (job.state == "queued") finish(id, "cancelled");
    return JobDocument{document(id, false), is_over(job.state)};
}

Answer<Subscription> FakeService::watch_now(const std::string& id, std::uint64_t after,
                                            std::function<void(const JobEvent&)> event) {
    if (!jobs_.contains(id)) return no_job(id);
    const auto& events = jobs_.at(id).events;
    for (std::size_t i = after > events.size() ? 0 : after; i < events.size(); ++i)
        event(events[i]);
    const int number = next_++;
    watchers_[number] = {id, std::move(event)};
    ++watchers;
    return Subscription([this, number] {
        watchers_.erase(number);
        --watchers;
    });
}

template <typename T>
void FakeService::reply(const Then<T>& then, Answer<T> answer) {
    if (silent) return;
    if (++replies_ % 2 == 0) {
        auto kept = std::make_shared<Answer<T>>(std::move(answer));
        return later([then, kept] { then(std::move(*kept)); });
    }
    then(std::move(answer));
}

void FakeService::submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) {
    reply(then, submit_now(caller, body));
}

void FakeService::job(const Caller& /*caller*/, const std::string& id, Then<JobDocument> then) {
    reply(then, job_now(id));
}

void FakeService::jobs(const Caller& /*caller*/, const JobQuery& query, Then<std::string> then) {
    reply(then, jobs_now(query));
}

void FakeService::cancel(const Caller& /*caller*/, const std::string& id, Then<JobDocument> then) {
    reply(then, cancel_now(id));
}

void FakeService::watch(const Caller& /*caller*/, const std::string& id, std::uint64_t after,
                        std::function<void(const JobEvent&)> event, Then<Subscription> then) {
    reply(then, watch_now(id, after, std::move(event)));
}

void FakeService::registry(const Caller& /*caller*/, Then<std::string> then) {
    reply(then, Answer<std::string>(R"({"schema":"ksms.registry/1","leases":[]})"));
}

void FakeService::status(const Caller& /*caller*/, Then<std::string> then) {
    reply(then, Answer<std::string>(
                    R"({"version":"0.1.0","state":"running","uptime_s":1.5,)"
                    R"("jobs":{"queued":1,"running":2},"leases":{"used":2,"free":30,"total":32},)"
                    R"("mode":{"parallel":8,"why":null}})"));
}

void FakeService::health(const Caller& /*caller*/, Then<ServiceHealth> then) {
    const std::string checks = R"(,"checks":[{"name":"queue","ok":true,"detail":"writable"}]})";
    reply(then, Answer<ServiceHealth>(ServiceHealth{
                    (healthy ? R"({"status":"ok")" : R"({"status":"failing")") + checks, healthy}));
}

void FakeService::metrics(const Caller& /*caller*/, Then<std::string> then) {
    reply(then,
          Answer<std::string>("# HELP ksms_jobs Jobs.\n# TYPE ksms_jobs gauge\nksms_jobs 0\n"));
}

void FakeService::names(const Caller& caller, Then<CallerNames> then) {
    peers->look_up(caller.uid, caller.gid,
                   [then = std::move(then)](const CallerNames& names) { then(names); });
}

}  // namespace ksms::test
