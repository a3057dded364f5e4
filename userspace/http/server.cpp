// SPDX-License-Identifier: BSD-2-Clause
#include "http/server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <list>
#include <utility>
#include <vector>

#include "http/connection.hpp"
#include "http/peer.hpp"

namespace ksms {

namespace asio = boost::asio;

namespace {

/// Accepted in a row before others have their turn.
constexpr int most_at_once = 16;

int option(int socket, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    return ::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is_on_loopback(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0) return false;
    if (address.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
        return (ntohl(v4->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/// A word for who is one too many; nothing is read, and nothing waits for him.
void turn_away(int socket) {
    static constexpr std::string_view text =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 107\r\nConnection: close\r\nRetry-After: 1\r\n\r\n"
        R"({"type":"about:blank","title":"Service Unavailable","status":503,"detail":"there are too many connections"})";
    (void)!::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
    struct Listener {
        asio::posix::stream_descriptor socket;
        asio::steady_timer pause;
        int family;
    };

    State(asio::io_context& io, JobService& service, HttpPage page, const HttpLimits& limits,
          const std::string& group)
        : core(std::make_shared<HttpCore>(io, service, std::move(page), limits)),
          peers(io, group),
          deadline(io) {}

    void wait(Listener& listener) {
        listener.socket.async_wait(
            asio::posix::stream_descriptor::wait_read,
            [self = shared_from_this(), &listener](const boost::system::error_code& error) {
                if (!error && !self->closed) self->accept(listener);
            });
    }

    void accept(Listener& listener) {
        for (int i = 0; i < most_at_once; ++i) {
            Fd client(::accept4(listener.socket.native_handle(), nullptr, nullptr,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (client) {
                welcome(std::move(client), listener.family);
                continue;
            }
            if (errno == EAGAIN) break;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            return pause(listener);
        }
        wait(listener);
    }

    /// Descriptors or memory ran out. The client that waits stays in the queue, so asking at once
    /// would spin: one is closed to make room, and it is tried again after a moment.
    void pause(Listener& listener) {
        ++core->figures.accept_failures;
        if (const auto id = core->book.longest_waiting()) core->evict(*id);
        listener.pause.expires_after(core->limits.accept_pause);
        listener.pause.async_wait(
            [self = shared_from_this(), &listener](const boost::system::error_code& error) {
                if (!error && !self->closed) self->accept(listener);
            });
    }

    void welcome(Fd client, int family) {
        auto caller = family == AF_UNIX ? peers.caller(client.get()) : PeerNames::anonymous();
        if (!caller) return;
        const auto admission = core->book.ask(caller->uid);
        if (!admission.admitted) {
            ++core->figures.rejected(HttpRejected::too_many_connections);
            return turn_away(client.get());
        }
        if (admission.evict) core->evict(*admission.evict);
        Connection::Socket socket(core->io);
        boost::system::error_code error;
        static_cast<void>(
            socket.assign(asio::generic::stream_protocol(family, 0), client.get(), error));
        if (error) return;
        (void)client.release();
        ++core->figures.accepted;
        std::make_shared<Connection>(core, std::move(socket), std::move(*caller))->start(peers);
    }

    void stop_listening() {
        if (std::exchange(closed, true)) return;
        boost::system::error_code ignored;
        for (auto& listener : listeners) {
            static_cast<void>(listener.socket.close(ignored));
            listener.pause.cancel();
        }
    }

    /// A copy: a connection that closes leaves the list.
    [[nodiscard]] std::vector<std::shared_ptr<Connection>> everybody() const {
        std::vector<std::shared_ptr<Connection>> all;
        for (const auto& [id, connection] : core->connections) all.push_back(connection);
        return all;
    }

    std::shared_ptr<HttpCore> core;
    PeerNames peers;
    std::list<Listener> listeners;
    asio::steady_timer deadline;
    bool closed{false};
};

HttpServer::HttpServer(asio::io_context& io, JobService& service, HttpPage page,
                       const HttpLimits& limits, const std::string& group)
    : state_(std::make_shared<State>(io, service, std::move(page), limits, group)) {}

HttpServer::~HttpServer() {
    state_->stop_listening();
    state_->core->emptied = nullptr;
    state_->deadline.cancel();
    for (const auto& connection : state_->everybody()) connection->close();
}

Status HttpServer::listen(Fd socket) {
    const int family = option(socket.get(), SO_DOMAIN);
    if (option(socket.get(), SO_ACCEPTCONN) != 1 || option(socket.get(), SO_TYPE) != SOCK_STREAM)
        return fail(Code::usage, "the HTTP server needs a stream socket that listens");
    const bool loopback = (family == AF_INET || family == AF_INET6) && is_on_loopback(socket.get());
    if (family != AF_UNIX && !loopback)
        return fail(Code::usage, "the HTTP server listens on Unix sockets and loopback only",
                    "use 127.0.0.1 or ::1");
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return fail_errno(errno, "make a listening socket non-blocking");
    auto& io = state_->core->io;
    auto& listener = state_->listeners.emplace_back(
        State::Listener{asio::posix::stream_descriptor(io), asio::steady_timer(io), family});
    boost::system::error_code error;
    static_cast<void>(listener.socket.assign(socket.get(), error));
    if (error) {
        state_->listeners.pop_back();
        return fail_errno(error.value(), "wait on a listening socket");
    }
    (void)socket.release();
    state_->wait(listener);
    return {};
}

void HttpServer::stop(std::chrono::milliseconds longest, std::function<void()> done) {
    auto& core = *state_->core;
    state_->stop_listening();
    core.stopping = true;
    core.emptied = [this, &io = core.io, done = std::move(done)] {
        state_->deadline.cancel();
        asio::post(io, done);
        state_->core->emptied = nullptr;
    };
    for (const auto& connection : state_->everybody()) connection->finish();
    if (core.connections.empty()) {
        if (const auto emptied = core.emptied) emptied();  // a copy: it forgets itself
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
