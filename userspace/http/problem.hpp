// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

#include "http/message.hpp"
#include "http/service.hpp"

namespace ksms {

/// The reason phrase of RFC 9110, "" for a status that has none here.
[[nodiscard]] const char* reason_phrase(int status);

/// A problem without a type of its own: its title is the reason phrase (RFC 9457, 4.2.1).
[[nodiscard]] Problem make_problem(int status, std::string detail, std::string hint = {});

/// 503, and when it is worth asking again. @param seconds  header Retry-After
[[nodiscard]] Problem not_now(unsigned seconds, std::string detail, std::string hint);

/// application/problem+json with type, title, status, detail, and hint where there is one.
[[nodiscard]] HttpResponse response_of(const Problem& problem);

}  // namespace ksms
