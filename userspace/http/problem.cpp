// SPDX-License-Identifier: BSD-2-Clause
#include "http/problem.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace ksms {

const char* reason_phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 400: return "Bad Request";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 411: return "Length Required";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        default: return "";
    }
}

Problem make_problem(int status, std::string detail, std::string hint) {
    Problem problem;
    problem.status = status;
    problem.title = reason_phrase(status);
    problem.detail = std::move(detail);
    problem.hint = std::move(hint);
    return problem;
}

Problem not_now(unsigned seconds, std::string detail, std::string hint) {
    auto problem = make_problem(503, std::move(detail), std::move(hint));
    problem.retry_after = seconds;
    return problem;
}

HttpResponse response_of(const Problem& problem) {
    HttpResponse response;
    response.status = problem.status;
    response.content_type = "application/problem+json";
    nlohmann::ordered_json body{
        {"type", problem.type.empty() ? "about:blank" : problem.type},
        {"title", problem.title.empty() ? reason_phrase(problem.status) : problem.title},
        {"status", problem.status},
        {"detail", problem.detail}};
    if (!problem.hint.empty()) body["hint"] = problem.hint;
    // It may quote what a client sent, which need not be UTF-8.
    response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    if (problem.retry_after > 0)
        response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after));
    return response;
}

}  // namespace ksms
