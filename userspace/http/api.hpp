// SPDX-License-Identifier: BSD-2-Clause
// The API itself: which request is let in, and what answers it. Knows no sockets.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "http/limits.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/target.hpp"

namespace ksms {

/// A request that was let in by its headers.
struct Admitted {
    HttpTarget target;
    HttpMatch match;
};

class HttpApi {
public:
    /// @param service      outlives this
    /// @param page         what GET / answers
    /// @param own_metrics  lines of the server's own for GET /metrics
    HttpApi(JobService& service, HttpPage page, const HttpLimits& limits,
            std::function<std::string()> own_metrics);

    /// Before the body is read: framing, target, who may, route, Content-Type.
    [[nodiscard]] std::expected<Admitted, HttpResponse> admit(const Caller& caller,
                                                              const HttpRequest& request) const;
    /// @param request  with its body
    void run(const Caller& caller, const HttpRequest& request, const Admitted& admitted,
             const HttpRespond& respond) const;

    /// The job's document as the end of a wait.
    void job(const Caller& caller, const std::string& id, HttpRespond respond) const;
    [[nodiscard]] JobService& service() const { return service_; }

private:
    [[nodiscard]] std::vector<HttpRoute> routes();
    void submit(const HttpCall& call, const HttpRespond& respond) const;
    void list(const HttpCall& call, const HttpRespond& respond) const;
    void show(const HttpCall& call, const HttpRespond& respond) const;
    void cancel(const HttpCall& call, const HttpRespond& respond) const;
    [[nodiscard]] static HttpReply events(const HttpCall& call);

    JobService& service_;
    HttpPage page_;
    HttpLimits limits_;
    std::function<std::string()> own_metrics_;
    HttpRouter router_;
};

}  // namespace ksms
