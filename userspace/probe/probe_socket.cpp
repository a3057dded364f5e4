// SPDX-License-Identifier: BSD-2-Clause
#include "probe/probe_socket.hpp"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

namespace ksms {
namespace {

constexpr int kRepairOn = 1;
constexpr int kRepairOff = -1;  // TCP_REPAIR_OFF_NO_WP: without a window probe (Linux 4.19)
constexpr int kSendQueue = 2;   // TCP_SEND_QUEUE of linux/tcp.h

bool set(const Fd& socket, int option, int value) {
    return setsockopt(socket.get(), IPPROTO_TCP, option, &value, sizeof value) == 0;
}

/// The number that the next SYN begins with: what a checkpoint restores is what we need (tcp(7),
/// TCP_REPAIR; CAP_NET_ADMIN).
bool begin_at(const Fd& socket, std::uint32_t sequence) {
    return set(socket, TCP_REPAIR, kRepairOn) && set(socket, TCP_REPAIR_QUEUE, kSendQueue) &&
           set(socket, TCP_QUEUE_SEQ, static_cast<int>(sequence)) &&
           set(socket, TCP_REPAIR, kRepairOff);
}

}  // namespace

Status deafen(const Fd& socket) {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &nothing};
    if (setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0)
        return {};
    return fail_errno(errno, "set SO_ATTACH_FILTER on a probe's socket");
}

int send_syn(const Fd& socket, const sockaddr* destination, socklen_t size,
             std::uint32_t sequence) {
    // Not EPERM: that is the word of the source's firewall.
    if (!begin_at(socket, sequence)) return EOPNOTSUPP;
    int err = connect(socket.get(), destination, size) == 0 ? 0 : errno;
    if (err == EINPROGRESS || err == ECONNREFUSED) err = 0;
    sockaddr none{};
    none.sa_family = AF_UNSPEC;
    if (connect(socket.get(), &none, sizeof none) != 0 && err == 0) err = errno;
    return err;
}

}  // namespace ksms
