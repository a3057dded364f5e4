// SPDX-License-Identifier: BSD-2-Clause
#include "http/server.hpp"

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>
#include <vector>

#include "http/connection.hpp"

namespace ksms {

namespace asio = boost::asio;

namespace {

/// Sends 503 to a client above the limit, without reading a request or waiting.
void turn_away(int socket) {
    static constexpr std::string_view text =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 97\r\nConnection: close\r\nRetry-After: 1\r\n\r\n"
        R"({"type":"about:blank","title":"Service Unavailable","status":503,"detail":"too many connections"})";
    (void)!::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

struct HttpServer::State {
    State(asio::io_context& io, JobService& service, HttpPage page, const HttpLimits& limits)
        : core(std::make_shared<HttpCore>(io, service, std::move(page), limits)), deadline(io) {}

    /// @return false if the client was not accepted
    bool welcome(Fd& client, const Caller& caller) {
        if (core->stopping || !core->book.may_connect(caller.uid)) {
            ++core->figures.rejected(HttpRejected::too_many_connections);
            turn_away(client.get());
            return false;
        }
        int family = AF_UNSPEC;
        socklen_t size = sizeof family;
        ::getsockopt(client.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
        Connection::Socket socket(core->io);
        boost::system::error_code error;
        static_cast<void>(
            socket.assign(asio::generic::stream_protocol(family, 0), client.get(), error));
        if (error) return false;
        (void)client.release();
        ++core->figures.accepted;
        std::make_shared<Connection>(core, std::move(socket), caller)->start();
        return true;
    }

    /// A copy, because a connection that closes removes itself.
    [[nodiscard]] std::vector<std::shared_ptr<Connection>> everybody() const {
        std::vector<std::shared_ptr<Connection>> all;
        for (const auto& [id, connection] : core->connections) all.push_back(connection);
        return all;
    }

    std::shared_ptr<HttpCore> core;
    asio::steady_timer deadline;
};

HttpServer::HttpServer(asio::io_context& io, JobService& service, HttpPage page,
                       const HttpLimits& limits)
    : state_(std::make_shared<State>(io, service, std::move(page), limits)) {}

HttpServer::~HttpServer() {
    state_->core->emptied = nullptr;
    state_->deadline.cancel();
    for (const auto& connection : state_->everybody()) connection->close();
}

void HttpServer::take(Fd socket, const Caller& caller) {
    if (!state_->welcome(socket, caller)) state_->core->api.service().gone(caller);
}

void HttpServer::stop(std::chrono::milliseconds longest, std::function<void()> done) {
    auto& core = *state_->core;
    core.stopping = true;
    core.emptied = [this, &io = core.io, done = std::move(done)] {
        state_->deadline.cancel();
        asio::post(io, done);
        state_->core->emptied = nullptr;
    };
    for (const auto& connection : state_->everybody()) connection->finish();
    if (core.connections.empty()) {
        if (const auto emptied = core.emptied) emptied();  // a copy, because the call resets it
        return;
    }
    state_->deadline.expires_after(longest);
    state_->deadline.async_wait([state = state_](const boost::system::error_code& error) {
        if (error) return;
        for (const auto& connection : state->everybody()) connection->close();
    });
}

std::size_t HttpServer::connections() const {
    return state_->core->book.size();
}
const HttpFigures& HttpServer::figures() const {
    return state_->core->figures;
}

}  // namespace ksms
