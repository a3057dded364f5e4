// SPDX-License-Identifier: BSD-2-Clause
#include "http/api.hpp"

#include <optional>
#include <utility>

#include "http/headers.hpp"
#include "http/problem.hpp"

namespace ksms {
namespace {

HttpResponse refused(int status, std::string detail, std::string hint = {}) {
    return response_of(make_problem(status, std::move(detail), std::move(hint)));
}

/// Refuses requests that a page of another site makes a browser send. The browser tells by Host
/// (DNS rebinding), Origin and Sec-Fetch-Site (W3C Fetch Metadata). `ssh -L` can expose the Unix
/// socket to a browser, so this is checked on both listeners.
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

}  // namespace

HttpApi::HttpApi(JobService& service, HttpPage page, const HttpLimits& limits,
                 std::function<std::string()> own_metrics)
    : service_(service),
      page_(std::move(page)),
      limits_(limits),
      own_metrics_(std::move(own_metrics)),
      router_(routes()) {}

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

}  // namespace ksms
