// SPDX-License-Identifier: BSD-2-Clause
// A blocking HTTP client for the Unix socket of ksmsd, using libcurl. One connection per request.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "http/message.hpp"
#include "http/service.hpp"

namespace ksms {

struct ClientOptions {
    std::chrono::milliseconds connect{5'000};
    /// For a whole request. The caller adds the seconds of `wait`.
    std::chrono::milliseconds answer{60'000};
    /// Without data on an event stream, which has a heartbeat every 15 seconds.
    std::chrono::milliseconds silence{60'000};
    std::size_t body{1024UL * 1024 * 1024};  ///< limit of a response in bytes
    /// Polled while the client waits; if it returns true, the call ends with EINTR. For Ctrl-C.
    std::function<bool()> stopped;
};

class HttpClient {
public:
    explicit HttpClient(std::string path, ClientOptions options = {})
        : path_(std::move(path)), options_(std::move(options)) {}

    /// Sends a request and returns the response, whatever its status.
    /// @param body  JSON text; empty: none
    /// @return an error if ksmsd does not listen (Code::failed), if connecting is not allowed
    /// (Code::not_allowed), ETIMEDOUT, EINTR, or an invalid response
    [[nodiscard]] Result<HttpResponse> request(const std::string& method, const std::string& target,
                                               const std::string& body = {}) const;

    /// GET of a stream of events: calls `event` for each, until that returns false or `end` came.
    /// @return status 200 after the whole stream; the response if it is no stream (a problem); an
    ///         error if the stream ended before `end`
    [[nodiscard]] Result<HttpResponse> events(
        const std::string& target, const std::function<bool(const JobEvent&)>& event) const;

    /// The error for a problem response: 403 not_allowed, 404 not_found, 400, 409 and 413 usage,
    /// else failed; with detail and hint of its body.
    [[nodiscard]] static ksms::Error error_of(const HttpResponse& response);

private:
    std::string path_;
    ClientOptions options_;
};

}  // namespace ksms
