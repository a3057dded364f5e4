// SPDX-License-Identifier: BSD-2-Clause
// The HTTP process.
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>

#include "front/client_socket.hpp"
#include "front/frames.hpp"
#include "front/front.hpp"
#include "front/messages.hpp"
#include "front/remote.hpp"
#include "http/server.hpp"
#include "os/child.hpp"
#include "os/confine.hpp"
#include "os/descriptor_limit.hpp"

namespace ksms {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kMessages = kFirstGiven;     ///< questions and replies
constexpr int kClients = kFirstGiven + 1;  ///< new clients
// Standard descriptors, the two above, epoll, a timer, and a reserve.
constexpr std::size_t kOwnDescriptors = 24;
constexpr std::chrono::seconds kTrimEvery{10};
constexpr std::chrono::seconds kLongestTick{1};
constexpr int kMostEarly = 100;  // events before the first tick
// A job's document may be large. ksmsd is trusted.
constexpr std::size_t kLongestAnswer = 1024UL * 1024 * 1024;

/// Limits the clients to the number of descriptors.
HttpLimits limits_of_this_process() {
    HttpLimits limits;
    rlimit most{};
    if (::getrlimit(RLIMIT_NOFILE, &most) != 0 || most.rlim_cur == RLIM_INFINITY) return limits;
    const auto taken = kOwnDescriptors + limits.reserved_for_root;
    const auto left = most.rlim_cur > taken ? most.rlim_cur - taken : 1;
    limits.connections = std::min<std::size_t>(limits.connections, left);
    return limits;
}

class FrontProcess {
public:
    explicit FrontProcess(HttpPage page)
        : service_([this](const nlohmann::json& head, std::string bytes) {
              frames_.send(head, std::move(bytes));
          }),
          frames_(
              io_, Fd(kMessages), {kLongestAnswer, kLongestAnswer},
              [this](const nlohmann::json& head, std::string bytes) {
                  take(head, std::move(bytes));
              },
              [this](const std::string&) { io_.stop(); }),
          server_(io_, service_, std::move(page), limits_of_this_process()),
          clients_(io_, kClients),
          trim_(io_) {}

    /// @return false if timers do not work: Asio ignores an error of epoll_ctl(2) when it adds its
    /// timerfd
    bool run() {
        asio::steady_timer once(io_, std::chrono::seconds{0});
        bool passed = false;
        once.async_wait([&passed](error_code failed) { passed = !failed; });
        for (int events = 0; !passed && events < kMostEarly; ++events)
            if (io_.run_one_for(kLongestTick) == 0) return io_.stopped();
        take_clients();
        trim();
        io_.run();
        return true;
    }

private:
    void take(const nlohmann::json& head, std::string bytes) {
        if (head.contains("ping")) return frames_.send({{"pong", true}});
        if (const auto longest = read_number(head, "stop"))
            return server_.stop(std::chrono::milliseconds(*longest), [this] { io_.stop(); });
        service_.take(head, std::move(bytes));
    }

    void take_clients() {
        clients_.async_wait(asio::posix::stream_descriptor::wait_read, [this](error_code failed) {
            if (failed) return io_.stop();
            while (true) {
                auto client = receive_client(clients_.native_handle());
                if (!client) return io_.stop();
                if (!*client) break;
                auto& [socket, caller] = **client;
                if (socket)
                    server_.take(std::move(socket), caller);
                else
                    service_.gone(caller);
            }
            take_clients();
        });
    }

    /// malloc keeps the memory of the largest clients and answers, because it is fragmented.
    void trim() {
        trim_.expires_after(kTrimEvery);
        trim_.async_wait([this](error_code failed) {
            if (failed) return;
            ::malloc_trim(0);
            trim();
        });
    }

    asio::io_context io_{1};
    RemoteService service_;
    Frames frames_;
    HttpServer server_;
    asio::posix::stream_descriptor clients_;
    asio::steady_timer trim_;
};

}  // namespace

int front_main(pid_t parent, HttpPage page) {
    if (!dies_with(parent)) return 0;
    ::prctl(PR_SET_NAME, "ksmsd-front");
    // A terminal sends these to the whole process group. ksmsd handles them and stops this process.
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(number, SIG_IGN);
    keep_given(2);
    raise_descriptor_limit();
    const auto confined = confine_to_descriptors();
    if (!confined) {
        std::fprintf(stderr, "ksmsd-front: %s\n", confined.error().text().c_str());
        return 1;
    }
    for (const auto& missing : *confined)
        std::fprintf(stderr, "ksmsd-front: this kernel has no %s; it goes without\n",
                     missing.c_str());
    try {
        if (FrontProcess(std::move(page)).run()) return 0;
        std::fputs("ksmsd-front: wait for timers: not enough memory\n", stderr);
    } catch (const std::exception& exception) {
        std::fprintf(stderr, "ksmsd-front: %s\n", exception.what());
    }
    return 1;
}

}  // namespace ksms
