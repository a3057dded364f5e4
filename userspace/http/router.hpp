// SPDX-License-Identifier: BSD-2-Clause
// Matches method and path of a request against the routes (routes.cpp).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"
#include "http/service.hpp"
#include "http/target.hpp"

namespace ksms {

/// A request for a handler. The references are valid until the handler returns.
struct HttpCall {
    const Caller& caller;
    const HttpRequest& request;
    const HttpTarget& target;
    const std::string& id;  ///< the part at "{id}"; empty if the pattern has none
};

struct HttpRoute {
    std::string method;     ///< HEAD is GET without the body
    std::string pattern;    ///< "/v1/jobs/{id}": an id is 1 to 63 characters of [A-Za-z0-9._:@+-]
    bool anonymous{false};  ///< open to the loopback port
    bool submits{false};    ///< takes a JSON body; only for callers that may submit
    std::function<void(const HttpCall&, const HttpRespond&)> handler;
};

struct HttpMatch {
    const HttpRoute* route{nullptr};
    std::string id;
};

struct HttpMiss {
    bool known_path{false};  ///< the path exists, the method does not: 405
    std::string allow;       ///< for the header Allow; empty if the path is unknown
};

class HttpRouter {
public:
    explicit HttpRouter(std::vector<HttpRoute> routes);

    [[nodiscard]] std::expected<HttpMatch, HttpMiss> match(std::string_view method,
                                                           const HttpTarget& target) const;

private:
    std::vector<HttpRoute> routes_;
    std::vector<std::vector<std::string>> segments_;  ///< of each route's pattern
};

}  // namespace ksms
