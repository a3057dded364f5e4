// SPDX-License-Identifier: BSD-2-Clause
// A network namespace of the test's own, and frames into it.
#pragma once

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "packet/packet.hpp"

namespace ksms::test {

/// An empty namespace with lo up, for as long as it lives; the thread goes back afterwards.
class OwnNamespace {
public:
    OwnNamespace() : before_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
        REQUIRE(before_);
        REQUIRE(unshare(CLONE_NEWNET) == 0);
        command("ip link set lo up");
    }
    OwnNamespace(const OwnNamespace&) = delete;
    OwnNamespace& operator=(const OwnNamespace&) = delete;
    ~OwnNamespace() { setns(before_.get(), CLONE_NEWNET); }

    static void command(const std::string& line) {
        INFO(line);
        REQUIRE(std::system(line.c_str()) == 0);  // NOLINT(cert-env33-c): a fixed text
    }

private:
    Fd before_;
};

/// What an interface shows in ip-link(8).
inline std::string link_text(const char* interface) {
    const std::string line = std::string("ip -o link show ") + interface;
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(line.c_str(), "re"), pclose);
    REQUIRE(pipe);
    char text[1024]{};
    return {text, fread(text, 1, sizeof text, pipe.get())};
}

/// Waits until it is so; false where it is not after ten seconds, which only a failure takes.
template <typename F>
bool eventually(F condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

/// @param linear  bytes of it that are not in pages; for frames longer than a page
inline void send_frame(const char* interface, const Bytes& frame, std::uint16_t linear = 0) {
    const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    REQUIRE(socket);
    const int on = 1;
    REQUIRE(setsockopt(socket.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
    // struct virtio_net_hdr, of which hdr_len counts; C++ cannot include linux/virtio_net.h.
    Bytes bytes(10);
    std::memcpy(&bytes[2], &linear, sizeof linear);
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    REQUIRE(sendto(socket.get(), bytes.data(), bytes.size(), 0,
                   reinterpret_cast<const sockaddr*>(&to),
                   sizeof to) == static_cast<ssize_t>(bytes.size()));
}

}  // namespace ksms::test
