// SPDX-License-Identifier: BSD-2-Clause
// Passes clients from ksmsd to the HTTP process: one message per client with its descriptor
// (SCM_RIGHTS, unix(7)) and the caller, over a SOCK_SEQPACKET socket.
#pragma once

#include <optional>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "http/service.hpp"

namespace ksms {

struct Client {
    Fd socket;
    Caller caller;
};

/// @return EAGAIN if the socket is full
Status send_client(int socket, const Client& client);

/// @return nothing if none waits; a client without a socket if this process has no descriptor left
/// for it; Code::not_found if the other side has ended
Result<std::optional<Client>> receive_client(int socket);

}  // namespace ksms
