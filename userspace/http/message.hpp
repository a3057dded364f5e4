// SPDX-License-Identifier: BSD-2-Clause
// Requests and answers of HTTP as plain values.
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

/// Compares names of headers, media types and the like: ASCII, without case.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b);

struct HttpRequest {
    std::string method;
    std::string target;  ///< as it came
    unsigned version{11};
    HttpHeaders headers;
    std::string body;

    /// The first header of this name, nullptr where there is none.
    [[nodiscard]] const std::string* header(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
};

struct HttpResponse {
    int status{200};
    std::string content_type;  ///< empty: no body
    HttpHeaders headers;       ///< others than Content-Type, Content-Length, Connection, Date
    std::string body;
};

/// What GET / answers with: HTML in UTF-8, all in one, nothing from elsewhere. Its one style and
/// its one script are all that it may have: their SHA-256 in base64 (CSP 3, 2.3.1).
struct HttpPage {
    std::string html;
    std::string style_hash, script_hash;
};

/// The job's document as soon as it is finished, at the latest after this time.
struct WaitForJob {
    std::string id;
    std::chrono::milliseconds longest{0};
};

/// The events of a job behind this one, until it ends.
struct StreamEvents {
    std::string id;
    std::uint64_t after{0};
};

using HttpReply = std::variant<HttpResponse, WaitForJob, StreamEvents>;
/// Takes the reply to one request; called once, now or later, on the server's thread.
using HttpRespond = std::function<void(HttpReply)>;

}  // namespace ksms
