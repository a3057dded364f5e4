// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/worker_process.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/fd.hpp"
#include "os/child.hpp"

namespace ksms {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

}  // namespace

/// Exists while an operation on it is pending, in particular until its process has ended. Nothing
/// waits for that.
struct WorkerProcess::State : std::enable_shared_from_this<State> {
    State(asio::io_context& io, pid_t of) : socket(io), gone(io), pid(of) {}

    void read() {
        socket.async_read_some(asio::buffer(buffer),
                               [self = shared_from_this()](error_code failed, std::size_t got) {
                                   if (self->over) return;
                                   if (failed) return self->lost(failed);
                                   self->text.append(self->buffer.data(), got);
                                   self->take();
                                   self->read();
                               });
    }

    /// Kills a worker whose socket failed, because its job would never end. The pidfd reports its
    /// end; what it had sent is read then.
    void lost(error_code failed) const {
        if (failed && failed != asio::error::eof && failed != asio::error::operation_aborted)
            signal(SIGKILL);
    }

    void await_end() {
        gone.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](error_code failed) {
                            if (!failed) self->reap();
                        });
    }

    void reap() {
        const auto how = how_ended(gone.native_handle());
        if (!how) return await_end();
        pid = -1;
        error_code ignored;
        static_cast<void>(gone.close(ignored));
        // Read what it wrote before it died: the socket may hold a result.
        drain();
        finish(*how);
    }

    void finish(const std::string& how) {
        if (std::exchange(over, true)) return;
        error_code ignored;
        static_cast<void>(socket.close(ignored));
        if (auto died = std::exchange(events.died, nullptr)) died(how);
    }

    void drain() {
        error_code failed;
        static_cast<void>(socket.non_blocking(true, failed));
        while (!failed && !over) {
            const auto got = socket.read_some(asio::buffer(buffer), failed);
            if (failed) break;
            text.append(buffer.data(), got);
            take();
        }
    }

    /// Handles the complete lines and the documents between them.
    void take() {
        std::size_t at = 0;
        while (!over) {
            if (document_left > 0) {
                const auto part = std::min(document_left, text.size() - at);
                document.append(text, at, part);
                at += part;
                document_left -= part;
                if (document_left > 0) break;
                if (events.result) events.result(std::move(document));
                document.clear();
            }
            const auto end = text.find('\n', at);
            if (end == std::string::npos) break;
            const auto line =
                nlohmann::json::parse(text.begin() + static_cast<long>(at),
                                      text.begin() + static_cast<long>(end), nullptr, false);
            at = end + 1;
            tell(line);
        }
        text.erase(0, at);
    }

    void tell(const nlohmann::json& line) {
        if (!line.is_object() || !line.contains("data")) return;
        const auto event = line.value("event", "");
        const auto& data = line["data"];
        if (event == "result") {
            document_left = data.value("size", std::size_t{0});
        } else if (event == "end") {
            const auto ended = std::exchange(events, WorkerEvents{});
            if (ended.end) ended.end(read_end(data));
        } else if (events.event) {
            events.event(event, data);
        }
    }

    void signal(int number) const {
        if (pid > 0) ::kill(pid, number);
    }

    stream_protocol::socket socket;
    asio::posix::stream_descriptor gone;  ///< pidfd
    pid_t pid;
    bool over{false}, stopping{false};
    WorkerEvents events;
    std::array<char, 65536> buffer{};
    std::string text, document, order;
    std::size_t document_left{0};
};

void await_workers(std::chrono::milliseconds longest) {
    constexpr timespec pause{0, 2'000'000};
    const auto until = std::chrono::steady_clock::now() + longest;
    while (::waitpid(-1, nullptr, WNOHANG) >= 0 && std::chrono::steady_clock::now() < until)
        ::nanosleep(&pause, nullptr);
}

WorkerProcess::WorkerProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(asio::io_context& io,
                                                            const WorkerHome& home) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return fail_errno(errno, "make a socket pair for a worker");
    Fd ours(pair[0]);
    const Fd its(pair[1]);
    Child child;
    const auto start = [&]() -> Status {
        KSMS_TRY(child, start_again(
                            {"ksmsd-worker", "--worker", std::to_string(::getpid()), home.pin_root},
                            {its.get()}));
        return {};
    };
    if (const auto started = home.netns ? in_netns(*home.netns, start) : start(); !started) {
        leave_behind(std::move(child));
        return std::unexpected(started.error());
    }
    auto state = std::make_shared<State>(io, child.pid);
    error_code failed;
    static_cast<void>(state->gone.assign(child.pidfd.get(), failed));
    if (!failed) {
        static_cast<void>(child.pidfd.release());
        static_cast<void>(state->socket.assign(stream_protocol(), ours.get(), failed));
    }
    if (failed) {
        leave_behind(std::move(child));
        return fail_errno(failed.value(), "wait for a worker");
    }
    static_cast<void>(ours.release());
    state->read();
    state->await_end();
    return std::unique_ptr<WorkerProcess>(new WorkerProcess(std::move(state)));
}

WorkerProcess::~WorkerProcess() {
    state_->over = true;
    state_->events = {};
    state_->signal(SIGKILL);
    error_code ignored;
    static_cast<void>(state_->socket.close(ignored));
}

void WorkerProcess::run(const Order& order, WorkerEvents events) {
    state_->events = std::move(events);
    state_->order = line_of(order);
    asio::async_write(state_->socket, asio::buffer(state_->order),
                      [state = state_](error_code failed, std::size_t) { state->lost(failed); });
}

void WorkerProcess::stop() {
    state_->stopping = true;
    state_->signal(SIGTERM);
}

void WorkerProcess::kill() {
    state_->stopping = true;
    state_->signal(SIGKILL);
}

void WorkerProcess::give_up() {
    state_->finish("signal 9, which it has not obeyed yet");
}

pid_t WorkerProcess::pid() const {
    return state_->pid;
}

bool WorkerProcess::is_stopping() const {
    return state_->stopping;
}

}  // namespace ksms
