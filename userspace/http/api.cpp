// SPDX-License-Identifier: BSD-2-Clause
#include "http/api.hpp"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "http/headers.hpp"
#include "http/problem.hpp"
#include "http/query.hpp"

namespace ksms {
namespace {

constexpr const char* json_type = "application/json";
constexpr const char* event_type = "text/event-stream";
/// The page may run what was built into it and ask this server, nothing else.
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

HttpResponse json_or_problem(Answer<std::string> answer) {
    return answer ? json_response(std::move(*answer)) : response_of(answer.error());
}

HttpResponse refused(int status, std::string detail, std::string hint = {}) {
    return response_of(make_problem(status, std::move(detail), std::move(hint)));
}

/// A page of somebody else's reaches us only by a browser, which says whose page it is: by the name
/// that it looked up (DNS rebinding makes that ours), by Origin, by Sec-Fetch-Site (W3C Fetch
/// Metadata). `ssh -L` makes the Unix socket such a place, so it is asked everywhere.
std::optional<HttpResponse> check_origin(const Caller& caller, const HttpRequest& request,
                                         const HttpTarget& target) {
    const auto text = [&request](const char* name) {
        const auto* value = request.header(name);
        return value == nullptr ? std::string() : *value;
    };
    const auto authority = !target.authority.empty() ? target.authority : text("Host");
    const bool local =
        !caller.anonymous && (authority.empty() || authority == "ksms" || authority == "ksmsd");
    if (!local && !is_loopback_authority(authority))
        return refused(421, "this server is not " + authority,
                       "call it localhost, 127.0.0.1 or [::1], or ksms on its Unix socket");
    const auto origin = text("Origin");
    if (!origin.empty() && !same_token(origin, "http://" + authority))
        return refused(403, "a page of " + origin + " may not ask this server");
    const auto site = text("Sec-Fetch-Site");
    if (!site.empty() && site != "same-origin" && site != "none")
        return refused(
            403, "a page from elsewhere (Sec-Fetch-Site: " + site + ") may not ask this server");
    return std::nullopt;
}

HttpResponse forbidden_here() {
    return refused(403,
                   "nobody is known on this port: it answers GET /, /metrics, /healthz and "
                   "/v1/status",
                   "use the Unix socket of ksmsd");
}

std::optional<Problem> no_parameters(const HttpCall& call) {
    return check_parameters(call.target, {});
}

/// Whether nothing more can happen is the service's word; anything else is 202.
HttpResponse job_response(const JobDocument& job, bool running_is_accepted) {
    return json_response(job.json, running_is_accepted && !job.finished ? 202 : 200);
}

}  // namespace

HttpApi::HttpApi(JobService& service, HttpPage page, const HttpLimits& limits,
                 std::function<std::string()> own_metrics)
    : service_(service),
      page_(std::move(page)),
      limits_(limits),
      own_metrics_(std::move(own_metrics)),
      router_(routes()) {}

std::vector<HttpRoute> HttpApi::routes() {
    // What takes no parameters.
    const auto plain = [](auto answer) {
        return [answer](const HttpCall& call, const HttpRespond& respond) {
            if (auto problem = no_parameters(call)) return respond(response_of(*problem));
            answer(call, respond);
        };
    };
    return {
        {"POST", "/v1/jobs", false, true,
         [this](const auto& call, const auto& respond) { submit(call, respond); }},
        {"GET", "/v1/jobs", false, false,
         [this](const auto& call, const auto& respond) { list(call, respond); }},
        {"GET", "/v1/jobs/{id}", false, false,
         [this](const auto& call, const auto& respond) { show(call, respond); }},
        {"DELETE", "/v1/jobs/{id}", false, false,
         [this](const auto& call, const auto& respond) { cancel(call, respond); }},
        {"GET", "/v1/jobs/{id}/events", false, false,
         [](const auto& call, const auto& respond) { respond(events(call)); }},
        {"GET", "/v1/registry", false, false, plain([this](const auto& call, const auto& respond) {
             service_.registry(call.caller, [respond](Answer<std::string> answer) {
                 respond(json_or_problem(std::move(answer)));
             });
         })},
        {"GET", "/v1/status", true, false, plain([this](const auto& call, const auto& respond) {
             service_.status(call.caller, [respond](Answer<std::string> answer) {
                 respond(json_or_problem(std::move(answer)));
             });
         })},
        {"GET", "/healthz", true, false,
         [this](const auto& call, const auto& respond) {
             service_.health(call.caller, [respond](Answer<ServiceHealth> health) {
                 if (!health) return respond(response_of(health.error()));
                 respond(json_response(std::move(health->json), health->healthy ? 200 : 503));
             });
         }},
        {"GET", "/metrics", true, false,
         [this](const auto& call, const auto& respond) {
             service_.metrics(call.caller, [this, respond](Answer<std::string> text) {
                 if (!text) return respond(response_of(text.error()));
                 respond(HttpResponse{
                     200, "text/plain; version=0.0.4; charset=utf-8", {}, *text + own_metrics_()});
             });
         }},
        {"GET", "/", true, false,
         [this](const auto&, const auto& respond) {
             respond(HttpResponse{200,
                                  "text/html; charset=utf-8",
                                  {{"Content-Security-Policy", policy_of(page_)}},
                                  page_.html});
         }},
    };
}

std::expected<Admitted, HttpResponse> HttpApi::admit(const Caller& caller,
                                                     const HttpRequest& request) const {
    if (auto problem = check_framing(request)) return std::unexpected(response_of(*problem));
    if (request.target.size() > limits_.target)
        return std::unexpected(
            refused(414, "the target is longer than " + std::to_string(limits_.target) + " bytes"));
    auto target = parse_target(request.target);
    if (!target) return std::unexpected(response_of(target.error()));
    if (auto response = check_origin(caller, request, *target))
        return std::unexpected(std::move(*response));
    auto match = router_.match(request.method, *target);
    if (caller.anonymous && !(match && match->route->anonymous))
        return std::unexpected(forbidden_here());
    if (!match) {
        if (!match.error().known_path)
            return std::unexpected(refused(404, "there is no " + target->path));
        auto response = refused(405, request.method + " is not for " + target->path);
        response.headers.emplace_back("Allow", match.error().allow);
        return std::unexpected(std::move(response));
    }
    if (match->route->submits) {
        if (!caller.may_submit)
            return std::unexpected(refused(403, "user " + caller.user + " may not submit jobs",
                                           "root and members of the group ksms may"));
        if (auto problem = check_json_type(request)) return std::unexpected(response_of(*problem));
    } else if (has_body(request)) {
        return std::unexpected(refused(413, request.method + " takes no body here"));
    }
    return Admitted{std::move(*target), std::move(*match)};
}

void HttpApi::run(const Caller& caller, const HttpRequest& request, const Admitted& admitted,
                  const HttpRespond& respond) const {
    admitted.match.route->handler(HttpCall{caller, request, admitted.target, admitted.match.id},
                                  respond);
}

void HttpApi::submit(const HttpCall& call, const HttpRespond& respond) const {
    if (auto problem = no_parameters(call)) return respond(response_of(*problem));
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
    service_.jobs(call.caller, *query, [respond](Answer<std::string> page) {
        respond(json_or_problem(std::move(page)));
    });
}

void HttpApi::show(const HttpCall& call, const HttpRespond& respond) const {
    static const std::array<std::string, 1> known{"wait"};
    if (auto problem = check_parameters(call.target, known)) return respond(response_of(*problem));
    const auto wait = parse_wait(call.target, limits_.longest_wait);
    if (!wait) return respond(response_of(wait.error()));
    service_.job(call.caller, call.id, [respond, id = call.id, wait = *wait](auto job) {
        if (!job) return respond(response_of(job.error()));
        if (wait.count() > 0 && !job->finished) return respond(WaitForJob{id, wait});
        respond(job_response(*job, false));
    });
}

void HttpApi::cancel(const HttpCall& call, const HttpRespond& respond) const {
    if (auto problem = no_parameters(call)) return respond(response_of(*problem));
    service_.cancel(call.caller, call.id, [respond](Answer<JobDocument> job) {
        respond(job ? job_response(*job, true) : response_of(job.error()));
    });
}

HttpReply HttpApi::events(const HttpCall& call) {
    if (auto problem = no_parameters(call)) return response_of(*problem);
    if (call.request.method == "HEAD") return HttpResponse{200, event_type, {}, ""};
    StreamEvents stream{call.id, 0};
    const auto* last = call.request.header("Last-Event-ID");
    if (last == nullptr || last->empty()) return stream;
    const auto end = last->data() + last->size();
    const auto [stop, error] = std::from_chars(last->data(), end, stream.after);
    if (error != std::errc{} || stop != end)
        return refused(400, "Last-Event-ID is the number of an event");
    return stream;
}

void HttpApi::job(const Caller& caller, const std::string& id, HttpRespond respond) const {
    service_.job(caller, id, [respond = std::move(respond)](Answer<JobDocument> job) {
        respond(job ? job_response(*job, false) : response_of(job.error()));
    });
}

}  // namespace ksms
