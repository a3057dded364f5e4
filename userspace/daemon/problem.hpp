// SPDX-License-Identifier: BSD-2-Clause
// Errors as problems of the HTTP API.
#pragma once

#include <string>
#include <utility>

#include "base/error.hpp"
#include "http/problem.hpp"
#include "http/service.hpp"

namespace ksms {

inline Problem problem(int status, std::string title, std::string detail, std::string hint = {}) {
    Problem result;
    result.status = status;
    result.title = std::move(title);
    result.detail = std::move(detail);
    result.hint = std::move(hint);
    return result;
}

inline Problem problem_of(const Error& error) {
    switch (error.code) {
        case Code::usage: return problem(400, "The request is wrong", error.text(), error.hint);
        case Code::not_found: return problem(404, "Not found", error.text(), error.hint);
        case Code::not_allowed: return problem(403, "Not allowed", error.text(), error.hint);
        default: break;
    }
    return not_now(5, error.text(), error.hint);
}

}  // namespace ksms
