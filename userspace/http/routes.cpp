// SPDX-License-Identifier: BSD-2-Clause
// The routes of the API and their handlers.
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "http/api.hpp"
#include "http/problem.hpp"
#include "http/query.hpp"

namespace ksms {
namespace {

constexpr const char* json_type = "application/json";
constexpr const char* event_type = "text/event-stream";

/// The page may run the script that was built in and connect to this server, nothing else.
std::string policy_of(const HttpPage& page) {
    return "default-src 'none'; style-src 'sha256-" + page.style_hash + "'; script-src 'sha256-" +
           page.script_hash +
           "'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

HttpResponse json_response(std::string body, int status = 200) {
    HttpResponse response;
    response.status = status;
    response.content_type = json_type;
    response.body = std::move(body);
    if (!response.body.ends_with('\n')) response.body += '\n';
    return response;
}

Then<std::string> respond_with_json(HttpRespond respond) {
    return [respond = std::move(respond)](Answer<std::string> text) {
        respond(text ? json_response(std::move(*text)) : response_of(text.error()));
    };
}

/// 202 for a job that is not finished, if `unfinished_is_accepted`.
Then<JobDocument> respond_with_job(HttpRespond respond, bool unfinished_is_accepted) {
    return [respond = std::move(respond), unfinished_is_accepted](Answer<JobDocument> job) {
        if (!job) return respond(response_of(job.error()));
        const bool accepted = unfinished_is_accepted && !job->finished;
        respond(json_response(std::move(job->json), accepted ? 202 : 200));
    };
}

/// Whether it has query parameters, for a route that takes none; then the answer is sent.
bool has_parameters(const HttpCall& call, const HttpRespond& respond) {
    const auto problem = check_parameters(call.target, {});
    if (problem) respond(response_of(*problem));
    return problem.has_value();
}

}  // namespace

std::vector<HttpRoute> HttpApi::routes() const {
    const auto to = [this](auto handler) { return std::bind_front(handler, this); };
    // method, path, open to the loopback port, submits
    return {
        {"POST", "/v1/jobs", false, true, to(&HttpApi::submit)},
        {"GET", "/v1/jobs", false, false, to(&HttpApi::list)},
        {"GET", "/v1/jobs/{id}", false, false, to(&HttpApi::show)},
        {"DELETE", "/v1/jobs/{id}", false, false, to(&HttpApi::cancel)},
        {"GET", "/v1/jobs/{id}/events", false, false, to(&HttpApi::events)},
        {"GET", "/v1/registry", false, false, to(&HttpApi::registry)},
        {"GET", "/v1/status", true, false, to(&HttpApi::status)},
        {"GET", "/healthz", true, false, to(&HttpApi::health)},
        {"GET", "/metrics", true, false, to(&HttpApi::metrics)},
        {"GET", "/", true, false, to(&HttpApi::page)},
    };
}

void HttpApi::submit(const HttpCall& call, const HttpRespond& respond) const {
    if (has_parameters(call, respond)) return;
    service_.submit(call.caller, call.request.body, [respond](Answer<SubmittedJob> job) {
        if (!job) return respond(response_of(job.error()));
        const nlohmann::ordered_json answer{{"id", job->id}, {"state", job->state}};
        auto response = json_response(answer.dump(), job->created ? 202 : 200);
        response.headers.emplace_back("Location", "/v1/jobs/" + job->id);
        respond(std::move(response));
    });
}

void HttpApi::list(const HttpCall& call, const HttpRespond& respond) const {
    const auto query = parse_job_query(call.target);
    if (!query) return respond(response_of(query.error()));
    service_.jobs(call.caller, *query, respond_with_json(respond));
}

void HttpApi::show(const HttpCall& call, const HttpRespond& respond) const {
    static const std::array<std::string, 1> known{"wait"};
    if (auto problem = check_parameters(call.target, known)) return respond(response_of(*problem));
    const auto wait = parse_wait(call.target, limits_.longest_wait);
    if (!wait) return respond(response_of(wait.error()));
    service_.job(call.caller, call.id, [respond, id = call.id, wait = *wait](auto job) {
        if (job && wait.count() > 0 && !job->finished) return respond(WaitForJob{id, wait});
        respond_with_job(respond, false)(std::move(job));
    });
}

void HttpApi::cancel(const HttpCall& call, const HttpRespond& respond) const {
    if (has_parameters(call, respond)) return;
    service_.cancel(call.caller, call.id, respond_with_job(respond, true));
}

void HttpApi::events(const HttpCall& call, const HttpRespond& respond) const {
    if (has_parameters(call, respond)) return;
    if (call.request.method == "HEAD") return respond(HttpResponse{200, event_type, {}, ""});
    StreamEvents stream{call.id, 0};
    if (const auto* last = call.request.header("Last-Event-ID");
        last != nullptr && !last->empty()) {
        const auto number = parse_number<std::uint64_t>(*last);
        if (!number)
            return respond(
                response_of(make_problem(400, "Last-Event-ID is the number of an event")));
        stream.after = *number;
    }
    respond(stream);
}

void HttpApi::registry(const HttpCall& call, const HttpRespond& respond) const {
    if (!has_parameters(call, respond)) service_.registry(call.caller, respond_with_json(respond));
}

void HttpApi::status(const HttpCall& call, const HttpRespond& respond) const {
    if (!has_parameters(call, respond)) service_.status(call.caller, respond_with_json(respond));
}

void HttpApi::health(const HttpCall& call, const HttpRespond& respond) const {
    service_.health(call.caller, [respond](Answer<ServiceHealth> health) {
        if (!health) return respond(response_of(health.error()));
        respond(json_response(std::move(health->json), health->healthy ? 200 : 503));
    });
}

void HttpApi::metrics(const HttpCall& call, const HttpRespond& respond) const {
    service_.metrics(call.caller, [this, respond](Answer<std::string> text) {
        if (!text) return respond(response_of(text.error()));
        respond(HttpResponse{
            200, "text/plain; version=0.0.4; charset=utf-8", {}, *text + own_metrics_()});
    });
}

void HttpApi::page(const HttpCall&, const HttpRespond& respond) const {
    respond(HttpResponse{200,
                         "text/html; charset=utf-8",
                         {{"Content-Security-Policy", policy_of(page_)}},
                         page_.html});
}

void HttpApi::job(const Caller& caller, const std::string& id, HttpRespond respond) const {
    service_.job(caller, id, respond_with_job(std::move(respond), false));
}

}  // namespace ksms
