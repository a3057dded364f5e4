// SPDX-License-Identifier: BSD-2-Clause
#include "front/front.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include "front/client_socket.hpp"
#include "front/frames.hpp"
#include "front/host.hpp"
#include "front/messages.hpp"
#include "http/limits.hpp"
#include "http/listener.hpp"
#include "os/child.hpp"

namespace ksms {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kPingEvery{5};
constexpr int kPings = 6;  // unanswered
// Pause before a restart, if the process ended soon after its start.
constexpr std::chrono::seconds kPause{1};
constexpr std::chrono::seconds kLongerThanStop{1};

struct Pair {
    Fd ours, its;
};

Result<Pair> make_pair_of(int type) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return fail_errno(errno, "make a socket pair for the HTTP process");
    return Pair{Fd(pair[0]), Fd(pair[1])};
}

/// @param fd  owned by `descriptor` afterwards, unless this fails
Status wait_on(asio::posix::stream_descriptor& descriptor, Fd& fd) {
    error_code failed;
    static_cast<void>(descriptor.assign(fd.get(), failed));
    if (failed) return fail_errno(failed.value(), "wait for the HTTP process");
    static_cast<void>(fd.release());
    return {};
}

}  // namespace

struct Front::State : std::enable_shared_from_this<Front::State> {
    /// A running HTTP process.
    struct Running {
        Running(asio::io_context& io, JobService& service, ServiceHost::Way way, pid_t of)
            : host(service, std::move(way)), pid(of), gone(io), clients(io), ping(io) {}

        std::optional<Frames> frames;
        ServiceHost host;
        pid_t pid;
        asio::posix::stream_descriptor gone;     ///< pidfd
        asio::posix::stream_descriptor clients;  ///< to it
        asio::steady_timer ping;
        std::optional<Client> waiting;  ///< for room in `clients`
        int unanswered{0};              ///< pings
        std::string why;                ///< why we killed it
    };

    State(asio::io_context& context, JobService& of, PeerNames& peers,
          std::function<void(const std::string&)> tell)
        : io(context),
          service(of),
          say(std::move(tell)),
          listener(io, peers, HttpLimits{}.accept_pause,
                   [this](Fd socket, Caller caller) {
                       caller.client = ++last_client;
                       hand_over({std::move(socket), std::move(caller)});
                   }),
          pause(io),
          bound(io) {
        listener.accept_more(false);
    }

    Status start() {
        KSMS_TRY(auto messages, make_pair_of(SOCK_STREAM));
        KSMS_TRY(auto clients, make_pair_of(SOCK_SEQPACKET));
        // Move both above the descriptor numbers that the child gets them under.
        for (auto* fd : {&messages.its, &clients.its}) {
            Fd higher(::fcntl(fd->get(), F_DUPFD_CLOEXEC, kFirstGiven + 2));
            if (!higher) return fail_errno(errno, "start the HTTP process");
            *fd = std::move(higher);
        }
        KSMS_TRY(auto child, start_again({"ksmsd-front", kFrontOption, std::to_string(::getpid())},
                                         {messages.its.get(), clients.its.get()}));
        running.emplace(
            io, service,
            ServiceHost::Way{[this](const nlohmann::json& head, std::string bytes) {
                                 if (running->frames) running->frames->send(head, std::move(bytes));
                             },
                             [this] { return running->frames ? running->frames->pending() : 0; }},
            child.pid);
        auto waiting = wait_on(running->gone, child.pidfd);
        if (waiting) waiting = wait_on(running->clients, clients.ours);
        if (!waiting) {
            running.reset();
            leave_behind(std::move(child));
            return waiting;
        }
        running->frames.emplace(
            io, std::move(messages.ours), Frames::Limits{},
            [this](const nlohmann::json& head, const std::string& bytes) { take(head, bytes); },
            [this](const std::string& why) { kill(why); });
        running->frames->on_taken([this] { running->host.go_on(); });
        started = std::chrono::steady_clock::now();
        await_end();
        ping();
        listener.accept_more(!stopping);
        return {};
    }

    void take(const nlohmann::json& head, const std::string& bytes) {
        if (!running->why.empty()) return;  // it was killed
        running->unanswered = 0;
        if (head.contains("pong")) return;
        if (!running->host.take(head, bytes)) kill("it breaks the rules");
    }

    void hand_over(Client client) {
        if (!running || !running->host.add(client.caller))
            return kill("it has not called its clients gone");
        running->waiting = std::move(client);
        send_waiting();
    }

    void send_waiting() {
        const auto sent = send_client(running->clients.native_handle(), *running->waiting);
        const bool full = !sent && sent.error().err == EAGAIN;
        listener.accept_more(!full && !stopping && running->why.empty());
        // The process has ended (await_end() handles that), or there is no memory: close the
        // client.
        if (!full && !sent) running->host.remove(running->waiting->caller);
        if (!full) return running->waiting.reset();
        running->clients.async_wait(
            asio::posix::stream_descriptor::wait_write,
            [self = shared_from_this(), pid = running->pid](error_code failed) {
                if (!failed && self->running && self->running->pid == pid) self->send_waiting();
            });
    }

    void ping() {
        running->ping.expires_after(kPingEvery);
        running->ping.async_wait([self = shared_from_this()](error_code failed) {
            if (failed || !self->running || !self->running->frames) return;
            // Counts unanswered pings instead of time: ksmsd itself may have been stopped.
            if (self->running->unanswered++ >= kPings) return self->kill("it does not answer");
            self->running->frames->send({{"ping", true}});
            self->ping();
        });
    }

    /// await_end() handles its end.
    void kill(const std::string& why) {
        if (!running) return;
        if (running->why.empty()) running->why = why;
        listener.accept_more(false);
        ::kill(running->pid, SIGKILL);
    }

    void await_end() {
        running->gone.async_wait(asio::posix::stream_descriptor::wait_read,
                                 [self = shared_from_this()](error_code failed) {
                                     if (failed || !self->running) return;
                                     const auto how =
                                         how_ended(self->running->gone.native_handle());
                                     how ? self->over(*how) : self->await_end();
                                 });
    }

    void over(const std::string& how) {
        const auto why = running->why;
        listener.accept_more(false);
        running.reset();
        if (stopping) return finish();
        ++restarts;
        say(fmt::format("the HTTP process has ended ({}{}{}): started again", how,
                        why.empty() ? "" : ", ", why));
        const bool soon = std::chrono::steady_clock::now() - started < 10 * kPause;
        pause.expires_after(soon ? kPause : std::chrono::seconds{0});
        pause.async_wait([self = shared_from_this()](error_code failed) {
            if (!failed) self->start_anew();
        });
    }

    void start_anew() {
        if (stopping) return;
        const auto begun = start();
        if (begun) return;
        say(fmt::format("{}: tried again", begun.error().text()));
        pause.expires_after(kPause);
        pause.async_wait([self = shared_from_this()](error_code failed) {
            if (!failed) self->start_anew();
        });
    }

    void stop(std::chrono::milliseconds longest, std::function<void()> then) {
        stopping = true;
        done = std::move(then);
        listener.stop();
        pause.cancel();
        if (!running) return finish();
        running->frames->send({{"stop", longest.count()}});
        bound.expires_after(longest + kLongerThanStop);
        bound.async_wait([self = shared_from_this()](error_code failed) {
            if (!failed) self->kill("it does not end");
            if (!failed) self->give_up();
        });
    }

    /// A process that the kernel does not let end must not keep ksmsd.
    void give_up() {
        bound.expires_after(kLongerThanStop);
        bound.async_wait([self = shared_from_this()](error_code failed) {
            if (failed || !self->running) return;
            const auto pid = self->running->pid;
            self->running.reset();
            leave_behind({pid, Fd()});
            self->finish();
        });
    }

    void finish() {
        bound.cancel();
        if (auto then = std::exchange(done, nullptr)) asio::post(io, then);
    }

    asio::io_context& io;
    JobService& service;
    std::function<void(const std::string&)> say;
    std::uint64_t last_client{0};
    std::uint64_t restarts{0};
    std::optional<Running> running;
    HttpListener listener;
    asio::steady_timer pause, bound;
    std::chrono::steady_clock::time_point started;
    std::function<void()> done;
    bool stopping{false};
};

Front::Front(asio::io_context& io, JobService& service, PeerNames& peers,
             std::function<void(const std::string&)> say)
    : state_(std::make_shared<State>(io, service, peers, std::move(say))) {}

Front::~Front() {
    state_->stopping = true;
    state_->done = nullptr;
    state_->listener.stop();
    state_->pause.cancel();
    state_->bound.cancel();
    if (!state_->running) return;
    const auto pid = state_->running->pid;
    state_->running.reset();
    leave_behind({pid, Fd()});
}

Status Front::listen(Fd socket) {
    return state_->listener.listen(std::move(socket));
}

Status Front::start() {
    return state_->start();
}

void Front::stop(std::chrono::milliseconds longest, std::function<void()> done) {
    state_->stop(longest, std::move(done));
}

Front::Figures Front::figures() const {
    return {state_->listener.failures(), state_->restarts};
}

}  // namespace ksms
