// SPDX-License-Identifier: BSD-2-Clause
// HTTP requests and responses as values.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ksms {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// Compares names of headers, media types and so on: ASCII, case-insensitive.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b);

struct HttpRequest {
    std::string method;
    std::string target;  ///< as received
    unsigned version{11};
    HttpHeaders headers;
    std::string body;

    /// The first header of this name; nullptr if there is none.
    [[nodiscard]] const std::string* header(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
};

struct HttpResponse {
    int status{200};
    std::string content_type;  ///< empty: no body
    HttpHeaders headers;       ///< others than Content-Type, Content-Length, Connection, Date
    std::string body;
};

/// The answer to GET /: one HTML document that loads nothing. The Content-Security-Policy allows
/// its style and its script by their SHA-256 in base64 (CSP 3, 2.3.1).
struct HttpPage {
    std::string html;
    std::string style_hash, script_hash;
};

/// Answer with the job's document when it is finished, or after this time.
struct WaitForJob {
    std::string id;
    std::chrono::milliseconds longest{0};
};

/// Answer with the events of a job after this number, until it ends.
struct StreamEvents {
    std::string id;
    std::uint64_t after{0};
};

using HttpReply = std::variant<HttpResponse, WaitForJob, StreamEvents>;
/// Receives the reply to one request; called once, now or later, on the server's thread.
using HttpRespond = std::function<void(HttpReply)>;

}  // namespace ksms
