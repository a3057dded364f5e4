// SPDX-License-Identifier: BSD-2-Clause
// Other people's packets cross the routers while scans come and go.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <thread>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

constexpr int kPort = 4000;
constexpr timespec kPace{0, 300'000};  // 3,000 datagrams a second

/// Datagrams that go from src to dst and back, numbered by their count.
class Stream {
public:
    explicit Stream(const Lab& lab)
        : far_(listen_in(lab.netns("dst"), chain_destination(lab, 4), "udp", kPort)),
          near_(listen_in(lab.netns("src"), chain_source(lab, 4), "udp", kPort)) {
        // For what comes while this process waits for a processor.
        const int room = 16 << 20;
        for (const auto& fd : {far_.get(), near_.get()})
            REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(kPort);
        ::inet_pton(AF_INET, chain_destination(lab, 4).c_str(), &to.sin_addr);
        if (::connect(near_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
            throw std::runtime_error("connect");
        echo_ = std::jthread([this](const std::stop_token& stop) { echo(stop); });
        send_ = std::jthread([this](const std::stop_token& stop) { send(stop); });
        // Before the other tests: a router where nothing is sent for some milliseconds is not in
        // use, and may lose what comes then.
        const sched_param first{.sched_priority = 1};
        for (auto* thread : {&echo_, &send_})
            ::pthread_setschedparam(thread->native_handle(), SCHED_FIFO, &first);
    }

    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    /// Stops sending, and waits for what is still on its way.
    std::uint64_t lost() {
        send_.request_stop();
        send_.join();
        eventually([this] {
            take_back();
            return back_ == sent_;
        });
        return sent_ - back_;
    }

private:
    void echo(const std::stop_token& stop) const {
        while (!stop.stop_requested()) {
            pollfd ready{far_.get(), POLLIN, 0};
            if (::poll(&ready, 1, 20) != 1) continue;
            std::uint64_t number = 0;
            sockaddr_in from{};
            socklen_t size = sizeof from;
            const auto got = ::recvfrom(far_.get(), &number, sizeof number, 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
            if (got > 0)
                ::sendto(far_.get(), &number, sizeof number, 0,
                         reinterpret_cast<const sockaddr*>(&from), size);
        }
    }

    void send(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const std::uint64_t number = sent_;
            if (::send(near_.get(), &number, sizeof number, 0) == sizeof number) ++sent_;
            ::ppoll(nullptr, 0, &kPace, nullptr);
            take_back();
        }
    }

    void take_back() {
        std::uint64_t number = 0;
        while (::recv(near_.get(), &number, sizeof number, MSG_DONTWAIT) > 0) ++back_;
    }

    ksms::Fd far_, near_;
    std::atomic<std::uint64_t> sent_{0};
    std::uint64_t back_{0};
    std::jthread echo_, send_;
};

TEST_CASE("strangers: a scan takes no packet from a router that is in use") {
    const std::string tap = GENERATE("tc", "xdp");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    Stream stream(lab);
    REQUIRE(eventually([&] { return stream.sent() > 100; }));
    for (int round = 0; round < 5; ++round) {
        const auto result =
            scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,53/udp", {"--tap", tap});
        INFO(result.text());
        CHECK(result.count("yes") == 2);
    }
    INFO(tap << ", " << stream.sent() << " sent");
    CHECK(stream.lost() == 0);
}

}  // namespace
