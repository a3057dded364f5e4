// SPDX-License-Identifier: BSD-2-Clause
#include "lab/capture.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "lab/process.hpp"

namespace ksms::lab {
namespace {

int number16(const std::uint8_t* at) {
    return at[0] << 8 | at[1];
}

std::string text(int family, const std::uint8_t* address) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return ::inet_ntop(family, address, buffer.data(), buffer.size());
}

/// IPv4 or IPv6 without extension headers. @return false: neither SYN nor datagram
bool parse(const std::uint8_t* data, std::size_t size, Packet& packet) {
    const bool six = size > 0 && data[0] >> 4 == 6;
    const std::size_t header = six ? 40U : (data[0] & 15U) * 4U;
    if (size < header + 8) return false;
    const int family = six ? AF_INET6 : AF_INET;
    packet.tos = six ? (data[0] & 15) << 4 | data[1] >> 4 : data[1];
    packet.source = text(family, data + (six ? 8 : 12));
    packet.destination = text(family, data + (six ? 24 : 16));
    const int protocol = six ? data[6] : data[9];
    packet.source_port = number16(data + header);
    packet.port = number16(data + header + 2);
    packet.protocol = protocol == IPPROTO_TCP ? "tcp" : "udp";
    if (protocol == IPPROTO_UDP) return true;
    constexpr int syn = 2, ack = 16;
    return protocol == IPPROTO_TCP && size >= header + 14 &&
           (data[header + 13] & (syn | ack)) == syn;
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size{0};
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

SocketAddress endpoint(const std::string& address, int port) {
    SocketAddress result;
    const auto network_port = htons(static_cast<std::uint16_t>(port));
    if (address.find(':') == std::string::npos) {
        auto& four = reinterpret_cast<sockaddr_in&>(result.storage);
        four.sin_family = AF_INET;
        four.sin_port = network_port;
        ::inet_pton(AF_INET, address.c_str(), &four.sin_addr);
        result.size = sizeof four;
    } else {
        auto& six = reinterpret_cast<sockaddr_in6&>(result.storage);
        six.sin6_family = AF_INET6;
        six.sin6_port = network_port;
        ::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr);
        result.size = sizeof six;
    }
    return result;
}

Fd open_socket(int family, const std::string& protocol) {
    const int type = protocol == "tcp" ? SOCK_STREAM : SOCK_DGRAM;
    Fd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) throw std::runtime_error("socket");
    const int one = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return fd;
}

void send_one(const Plain& what) {
    const auto to = endpoint(what.destination, what.port);
    const int family = to.get()->sa_family;
    const Fd fd = open_socket(family, what.protocol);
    if (family == AF_INET)
        ::setsockopt(fd.get(), IPPROTO_IP, IP_TOS, &what.tos, sizeof what.tos);
    else
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_TCLASS, &what.tos, sizeof what.tos);
    if (!what.source.empty() || what.source_port != 0) {
        const std::string any = family == AF_INET ? "0.0.0.0" : "::";
        const auto from = endpoint(what.source.empty() ? any : what.source, what.source_port);
        if (::bind(fd.get(), from.get(), from.size) != 0)
            throw std::runtime_error("bind " + what.source);
    }
    if (::connect(fd.get(), to.get(), to.size) != 0 && errno != EINPROGRESS)
        throw std::runtime_error("connect " + what.destination);
    if (what.protocol == "udp") ::send(fd.get(), "plain", 5, MSG_DONTWAIT);
}

}  // namespace

Capture::Capture(const std::string& netns, const std::string& interface) {
    inside(netns, [&] {
        socket_ =
            Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
        const int bytes = 16 << 20;
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
        sockaddr_ll at{};
        at.sll_family = AF_PACKET;
        at.sll_protocol = htons(ETH_P_ALL);
        at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
        if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
            throw std::runtime_error("capture on " + interface + " in " + netns);
    });
}

const std::vector<Packet>& Capture::packets() {
    std::array<std::uint8_t, 2048> buffer{};
    while (true) {
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
        if (got <= 0) return packets_;
        Packet packet;
        if (from.sll_pkttype == PACKET_HOST &&
            parse(buffer.data(), static_cast<std::size_t>(got), packet))
            packets_.push_back(std::move(packet));
    }
}

bool Capture::saw(const std::string& protocol, int port) {
    return std::ranges::any_of(packets(), [&](const Packet& packet) {
        return packet.protocol == protocol && packet.port == port;
    });
}

void send_plain(const Plain& what) {
    inside(what.netns, [&] {
        for (int i = 0; i < what.count; ++i) send_one(what);
    });
}

Fd listen_in(const std::string& netns, const std::string& address, const std::string& protocol,
             int port) {
    Fd fd;
    inside(netns, [&] {
        const auto at = endpoint(address, port);
        fd = open_socket(at.get()->sa_family, protocol);
        if (::bind(fd.get(), at.get(), at.size) != 0) throw std::runtime_error("bind " + address);
        if (protocol == "tcp") ::listen(fd.get(), 4096);
    });
    return fd;
}

bool connects(const std::string& netns, const std::string& address, int port) {
    bool connected = false;
    inside(netns, [&] {
        const auto to = endpoint(address, port);
        const Fd fd = open_socket(to.get()->sa_family, "tcp");
        ::connect(fd.get(), to.get(), to.size);
        pollfd entry{fd.get(), POLLOUT, 0};
        int failure = 0;
        socklen_t size = sizeof failure;
        connected = ::poll(&entry, 1, 1000) == 1 &&
                    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
                    failure == 0;
    });
    return connected;
}

}  // namespace ksms::lab
