// SPDX-License-Identifier: BSD-2-Clause
#include "http/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <list>
#include <utility>

namespace ksms {

namespace asio = boost::asio;

namespace {

/// Clients accepted in a row, before other events are handled.
constexpr int most_at_once = 16;

Result<int> option(int socket, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    if (::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0) return value;
    if (errno == ENOTSOCK) return -1;
    return fail_errno(errno, "look at a listening socket");
}

Result<bool> is_on_loopback(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0)
        return fail_errno(errno, "look at a listening socket");
    if (address.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
        return (ntohl(v4->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

bool somebody_waits(int listening) {
    pollfd look{listening, POLLIN, 0};
    return ::poll(&look, 1, 0) > 0;
}

}  // namespace

struct HttpListener::State : std::enable_shared_from_this<HttpListener::State> {
    struct Socket {
        asio::posix::stream_descriptor descriptor;
        asio::steady_timer pause;
        int family;
        bool waits{false};  ///< for a client, or for the end of the pause
    };

    State(asio::io_context& context, PeerNames& names, std::chrono::milliseconds between,
          std::function<void(Fd, Caller)> then)
        : io(context), peers(names), pause_time(between), taken(std::move(then)) {}

    void wait(Socket& socket) {
        if (!more || std::exchange(socket.waits, true)) return;
        socket.descriptor.async_wait(
            asio::posix::stream_descriptor::wait_read,
            [self = shared_from_this(), &socket](const boost::system::error_code& error) {
                if (!error && !self->closed) self->accept(socket);
            });
    }

    void accept(Socket& socket) {
        socket.waits = false;
        for (int i = 0; more && i < most_at_once; ++i) {
            Fd client(::accept4(socket.descriptor.native_handle(), nullptr, nullptr,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (client) {
                auto caller =
                    socket.family == AF_UNIX ? peers.caller(client.get()) : PeerNames::anonymous();
                if (caller) taken(std::move(client), std::move(*caller));
                continue;
            }
            if (errno == EAGAIN) break;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            // accept(2) allocates a descriptor before it looks for a client, so EMFILE can mean
            // that nobody waits.
            if (!somebody_waits(socket.descriptor.native_handle())) break;
            return pause(socket);
        }
        wait(socket);
    }

    /// The client stays in the queue of the socket, so trying again at once would spin.
    void pause(Socket& socket) {
        ++failures;
        socket.waits = true;
        socket.pause.expires_after(pause_time);
        socket.pause.async_wait(
            [self = shared_from_this(), &socket](const boost::system::error_code& error) {
                if (!error && !self->closed) self->accept(socket);
            });
    }

    asio::io_context& io;
    PeerNames& peers;
    std::chrono::milliseconds pause_time;
    std::function<void(Fd, Caller)> taken;
    std::list<Socket> sockets;
    std::uint64_t failures{0};
    bool more{true};
    bool closed{false};
};

HttpListener::HttpListener(asio::io_context& io, PeerNames& peers, std::chrono::milliseconds pause,
                           std::function<void(Fd, Caller)> taken)
    : state_(std::make_shared<State>(io, peers, pause, std::move(taken))) {}

HttpListener::~HttpListener() {
    stop();
}

Status HttpListener::listen(Fd socket) {
    KSMS_TRY(const int family, option(socket.get(), SO_DOMAIN));
    KSMS_TRY(const int listens, option(socket.get(), SO_ACCEPTCONN));
    KSMS_TRY(const int type, option(socket.get(), SO_TYPE));
    if (listens != 1 || type != SOCK_STREAM)
        return fail(Code::usage, "the HTTP server needs a stream socket that listens");
    bool loopback = false;
    if (family == AF_INET || family == AF_INET6) {
        KSMS_TRY(loopback, is_on_loopback(socket.get()));
    }
    if (family != AF_UNIX && !loopback)
        return fail(Code::usage, "the HTTP server listens on Unix sockets and loopback only",
                    "use 127.0.0.1 or ::1");
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return fail_errno(errno, "make a listening socket non-blocking");
    auto& io = state_->io;
    auto& added = state_->sockets.emplace_back(
        State::Socket{asio::posix::stream_descriptor(io), asio::steady_timer(io), family});
    boost::system::error_code error;
    static_cast<void>(added.descriptor.assign(socket.get(), error));
    if (error) {
        state_->sockets.pop_back();
        return fail_errno(error.value(), "wait on a listening socket");
    }
    (void)socket.release();
    state_->wait(added);
    return {};
}

void HttpListener::accept_more(bool more) {
    state_->more = more;
    if (!more || state_->closed) return;
    for (auto& socket : state_->sockets) state_->wait(socket);
}

void HttpListener::stop() {
    if (std::exchange(state_->closed, true)) return;
    boost::system::error_code ignored;
    for (auto& socket : state_->sockets) {
        static_cast<void>(socket.descriptor.close(ignored));
        socket.pause.cancel();
    }
}

std::uint64_t HttpListener::failures() const {
    return state_->failures;
}

}  // namespace ksms
