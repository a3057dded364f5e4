// SPDX-License-Identifier: BSD-2-Clause
// The truth without ksms: plain packets are sent, and a packet socket says where they arrived.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace ksms::lab {

struct Packet {
    std::string protocol;  ///< "tcp" (a SYN without ACK) or "udp"
    int port{0};           ///< destination
    int source_port{0};
    int tos{0};  ///< the whole byte; traffic class in IPv6
    std::string source, destination;
};

/// Packets that arrive on an interface, before any firewall of that namespace.
class Capture {
public:
    Capture(const std::string& netns, const std::string& interface);
    /// Everything since the start.
    const std::vector<Packet>& packets();
    [[nodiscard]] bool saw(const std::string& protocol, int port);

private:
    Fd socket_;
    std::vector<Packet> packets_;
};

struct Plain {
    std::string netns{}, source{}, destination{};  ///< source "": the kernel's choice
    std::string protocol{};
    int port{0};
    int tos{0};
    int source_port{0};  ///< 0: the kernel's choice
    int count{1};
};

/// Sends an ordinary SYN (a connect that nobody waits for) or datagram.
void send_plain(const Plain& what);

/// A TCP or UDP socket that listens in a namespace.
Fd listen_in(const std::string& netns, const std::string& address, const std::string& protocol,
             int port);

/// @return true: a TCP connection was made and answered within a second
bool connects(const std::string& netns, const std::string& address, int port);

}  // namespace ksms::lab
