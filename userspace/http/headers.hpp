// SPDX-License-Identifier: BSD-2-Clause
// Checks of the headers of a request.
#pragma once

#include <optional>
#include <string_view>

#include "http/message.hpp"
#include "http/service.hpp"

namespace ksms {

/// Refuses requests that two parsers could read differently (request smuggling, RFC 9112, 6.3 and
/// 11.2): several Content-Length, Content-Length with Transfer-Encoding, an encoding other than
/// "chunked". HTTP/1.1 needs exactly one Host.
[[nodiscard]] std::optional<Problem> check_framing(const HttpRequest& request);

/// Whether a body follows.
[[nodiscard]] bool has_body(const HttpRequest& request);

/// 415 unless the body is declared as unencoded JSON in UTF-8.
[[nodiscard]] std::optional<Problem> check_json_type(const HttpRequest& request);

/// Whether an authority ("localhost:9464") names this machine in a way that no foreign page can:
/// localhost, 127.0.0.1 or [::1], with or without a port.
[[nodiscard]] bool is_loopback_authority(std::string_view authority);

}  // namespace ksms
