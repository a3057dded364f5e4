// SPDX-License-Identifier: BSD-2-Clause
// The HTTP server. Runs on the thread of the caller's io_context. HttpListener accepts its clients.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/fd.hpp"
#include "http/figures.hpp"
#include "http/limits.hpp"
#include "http/message.hpp"
#include "http/service.hpp"

namespace boost::asio {
class io_context;
}

namespace ksms {

class HttpServer {
public:
    /// @param io       outlives this; all callbacks run on its thread
    /// @param service  outlives this
    /// @param page     the answer to GET /
    HttpServer(boost::asio::io_context& io, JobService& service, HttpPage page,
               const HttpLimits& limits = {});
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    /// Closes all connections at once.
    ~HttpServer();

    /// Takes over a client that has connected. A client above the limits gets 503 and is closed.
    /// @param socket  a non-blocking stream socket
    void take(Fd socket, const Caller& caller);

    /// Finishes the present answers, ends waits and streams, and closes the remaining connections
    /// after `longest`.
    /// @param done  called once on the io_context when all connections are closed
    void stop(std::chrono::milliseconds longest, std::function<void()> done);

    [[nodiscard]] std::size_t connections() const;
    [[nodiscard]] const HttpFigures& figures() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
