// SPDX-License-Identifier: BSD-2-Clause
// Clients on their way from ksmsd to the front: a descriptor (SCM_RIGHTS, unix(7)) and who it is, a
// message each over a socket of SOCK_SEQPACKET.
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

/// @return EAGAIN: there is no room now
Status send_client(int socket, const Client& client);

/// @return nothing: there is none now; one without a socket: there was no descriptor for it;
///         Code::not_found: the other side has ended
Result<std::optional<Client>> receive_client(int socket);

}  // namespace ksms
