// SPDX-License-Identifier: BSD-2-Clause
// The API: which requests are admitted (api.cpp), the routes and their handlers (routes.cpp). Uses
// no sockets.
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

/// A request whose headers were accepted.
struct Admitted {
    HttpTarget target;
    HttpMatch match;
};

class HttpApi {
public:
    /// @param service      outlives this
    /// @param page         the answer to GET /
    /// @param own_metrics  returns the server's own lines of GET /metrics
    HttpApi(JobService& service, HttpPage page, const HttpLimits& limits,
            std::function<std::string()> own_metrics);

    /// Checks, before the body is read: framing, target, origin, route, permission, Content-Type.
    [[nodiscard]] std::expected<Admitted, HttpResponse> admit(const Caller& caller,
                                                              const HttpRequest& request) const;
    /// @param request  with its body
    void run(const Caller& caller, const HttpRequest& request, const Admitted& admitted,
             const HttpRespond& respond) const;

    /// Responds with the job's document, at the end of a wait.
    void job(const Caller& caller, const std::string& id, HttpRespond respond) const;
    [[nodiscard]] JobService& service() const { return service_; }

private:
    [[nodiscard]] std::vector<HttpRoute> routes() const;
    void submit(const HttpCall& call, const HttpRespond& respond) const;
    void list(const HttpCall& call, const HttpRespond& respond) const;
    void show(const HttpCall& call, const HttpRespond& respond) const;
    void cancel(const HttpCall& call, const HttpRespond& respond) const;
    void events(const HttpCall& call, const HttpRespond& respond) const;
    void registry(const HttpCall& call, const HttpRespond& respond) const;
    void status(const HttpCall& call, const HttpRespond& respond) const;
    void health(const HttpCall& call, const HttpRespond& respond) const;
    void metrics(const HttpCall& call, const HttpRespond& respond) const;
    void page(const HttpCall& call, const HttpRespond& respond) const;

    JobService& service_;
    HttpPage page_;
    HttpLimits limits_;
    std::function<std::string()> own_metrics_;
    HttpRouter router_;
};

}  // namespace ksms
