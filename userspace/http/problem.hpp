// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

#include "http/message.hpp"
#include "http/service.hpp"

namespace ksms {

/// The reason phrase of RFC 9110; "" for a status that this server does not use.
[[nodiscard]] const char* reason_phrase(int status);

/// A problem of the type about:blank: its title is the reason phrase (RFC 9457, 4.2.1).
[[nodiscard]] Problem make_problem(int status, std::string detail, std::string hint = {});

/// 503. @param seconds  header Retry-After
[[nodiscard]] Problem not_now(unsigned seconds, std::string detail, std::string hint);

/// application/problem+json with type, title, status, detail, and hint unless it is empty.
[[nodiscard]] HttpResponse response_of(const Problem& problem);

}  // namespace ksms
