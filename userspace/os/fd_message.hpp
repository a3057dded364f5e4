// SPDX-License-Identifier: BSD-2-Clause
// Messages that pass one descriptor on (SCM_RIGHTS, unix(7)).
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <span>

#include "base/fd.hpp"

namespace ksms {

/// Sends bytes and, unless it is negative, a descriptor. Raises no SIGPIPE.
/// @param to  nullptr: the socket is connected
/// @return as sendmsg(2)
ssize_t send_with_fd(int socket, std::span<const char> bytes, int fd, int flags,
                     const sockaddr_un* to = nullptr);

/// @param fd  is given the descriptor that came, if one came and there is room for it
/// @return as recvmsg(2)
ssize_t receive_with_fd(int socket, std::span<char> bytes, Fd& fd, int flags);

}  // namespace ksms
