// SPDX-License-Identifier: BSD-2-Clause
// The HTTP server: one thread, the caller's io_context. Who accepts its clients is HttpListener.
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
    /// @param io       outlives this; everything happens on the one thread that runs it
    /// @param service  outlives this
    /// @param page     what GET / answers
    HttpServer(boost::asio::io_context& io, JobService& service, HttpPage page,
               const HttpLimits& limits = {});
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    /// Closes everything at once.
    ~HttpServer();

    /// A client that has connected. Who is one too many is told so and let go.
    /// @param socket  a stream socket that does not block
    void take(Fd socket, const Caller& caller);

    /// Takes no more, answers what is being answered, ends waits and streams; closes what is left
    /// after `longest`. @param done  called once, by the io_context, when nobody is connected
    void stop(std::chrono::milliseconds longest, std::function<void()> done);

    [[nodiscard]] std::size_t connections() const;
    [[nodiscard]] const HttpFigures& figures() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
