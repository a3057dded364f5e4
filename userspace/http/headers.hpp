// SPDX-License-Identifier: BSD-2-Clause
// What the headers of a request must say before anything else is believed.
#pragma once

#include <optional>
#include <string_view>

#include "http/message.hpp"
#include "http/service.hpp"

namespace ksms {

/// Where two readers could see two requests in one (RFC 9112, 6.3 and 11.2): Content-Length twice,
/// or with Transfer-Encoding, or an encoding other than "chunked". And Host: exactly one in
/// HTTP/1.1.
[[nodiscard]] std::optional<Problem> check_framing(const HttpRequest& request);

/// Whether a body follows.
[[nodiscard]] bool has_body(const HttpRequest& request);

/// 415 where the body is not said to be JSON in UTF-8 as it is.
[[nodiscard]] std::optional<Problem> check_json_type(const HttpRequest& request);

/// Whether an authority ("localhost:9464") is this machine by a name that no foreign page can have:
/// localhost, 127.0.0.1 or [::1], with or without a port.
[[nodiscard]] bool is_loopback_authority(std::string_view authority);

}  // namespace ksms
