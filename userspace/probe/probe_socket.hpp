// SPDX-License-Identifier: BSD-2-Clause
// Probes from sockets of their own protocol: the kernel routes them by protocol and ports, as it
// routes everybody's packets. Slower than a raw socket; for what a raw socket would send another
// way.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// Makes the socket deaf: what comes back to its port is nobody's connection.
Status deafen(const Fd& socket);

/// A SYN with this sequence number from a TCP socket that is bound and not connected; it is so
/// again afterwards. Nothing is sent twice.
/// @return 0, or the errno that kept it from being sent
int send_syn(const Fd& socket, const sockaddr* destination, socklen_t size, std::uint32_t sequence);

}  // namespace ksms
