// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/proc_server.hpp"

#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/error.hpp"
#include "daemon/log.hpp"
#include "os/proc_file.hpp"

namespace ksms {

int proc_main() {
    constexpr int socket = SD_LISTEN_FDS_START;
    if (::sd_listen_fds(1) != 1 || ::sd_is_socket_unix(socket, SOCK_DGRAM, -1, nullptr, 0) <= 0) {
        log(LogLevel::error, "ksmsd --proc: ksmsd-proc.socket starts it, with a datagram socket");
        return static_cast<int>(Code::usage);
    }
    log(LogLevel::error, serve_proc_files(socket).text());
    return static_cast<int>(Code::failed);
}

}  // namespace ksms
