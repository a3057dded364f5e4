// SPDX-License-Identifier: BSD-2-Clause
// A blocking HTTP client over the Unix socket of ksmsd, through libcurl: one connection a request.
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
    /// For the whole request and answer. Where the request says `wait`, its seconds come on top by
    /// the caller.
    std::chrono::milliseconds answer{60'000};
    /// A stream of events says something every 15 seconds, if only a heart-beat.
    std::chrono::milliseconds silence{60'000};
    std::size_t body{1024UL * 1024 * 1024};  ///< most bytes of an answer
    /// Asked often while it waits; true: the call ends with EINTR. For Ctrl-C.
    std::function<bool()> stopped;
};

class HttpClient {
public:
    explicit HttpClient(std::string path, ClientOptions options = {})
        : path_(std::move(path)), options_(std::move(options)) {}

    /// Sends a request and waits for its answer, whatever its status is.
    /// Errors: nobody listens (Code::failed, "ksmsd is not running"), not allowed to connect
    /// (Code::not_allowed, the group is named), ETIMEDOUT, EINTR, an answer that is none.
    /// @param body  JSON text; empty: none
    [[nodiscard]] Result<HttpResponse> request(const std::string& method, const std::string& target,
                                               const std::string& body = {}) const;

    /// GET of a stream of events: calls `event` for each until it says false, or `end` came.
    /// @param after  the last sequence that is known already, 0: none
    /// @return the answer where it is no stream: a problem; a status of 200 where all came. An
    ///         error where the stream broke off before `end`.
    [[nodiscard]] Result<HttpResponse> events(
        const std::string& target, std::uint64_t after,
        const std::function<bool(const JobEvent&)>& event) const;

    /// What a problem of the API is for the command line: 403 not_allowed, 404 not_found, 400 and
    /// 409 usage, else failed; detail and hint out of its body.
    [[nodiscard]] static ksms::Error error_of(const HttpResponse& response);

private:
    std::string path_;
    ClientOptions options_;
};

}  // namespace ksms
