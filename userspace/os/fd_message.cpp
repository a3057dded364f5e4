// SPDX-License-Identifier: BSD-2-Clause
#include "os/fd_message.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstring>

namespace ksms {
namespace {

/// A message with one buffer and an aligned control buffer for one descriptor.
struct WithFd {
    WithFd(void* data, std::size_t size) : part{data, size} {
        head.msg_iov = &part;
        head.msg_iovlen = 1;
        head.msg_control = &control;
        head.msg_controllen = sizeof control;
    }
    WithFd(const WithFd&) = delete;
    WithFd& operator=(const WithFd&) = delete;

    msghdr head{};
    iovec part;
    union {
        cmsghdr header;
        std::array<char, CMSG_SPACE(sizeof(int))> bytes;
    } control{};  // last: cmsghdr ends with a flexible array
};

}  // namespace

ssize_t send_with_fd(int socket, std::span<const char> bytes, int fd, int flags,
                     const sockaddr_un* to) {
    // sendmsg(2) writes neither.
    WithFd message(const_cast<char*>(bytes.data()), bytes.size());
    message.head.msg_name = const_cast<sockaddr_un*>(to);
    message.head.msg_namelen = to == nullptr ? 0 : sizeof *to;
    auto& control = message.control.header;
    control.cmsg_level = SOL_SOCKET;
    control.cmsg_type = SCM_RIGHTS;
    control.cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(&control), &fd, sizeof fd);
    if (fd < 0) message.head.msg_controllen = 0;
    return ::sendmsg(socket, &message.head, flags | MSG_NOSIGNAL);
}

ssize_t receive_with_fd(int socket, std::span<char> bytes, Fd& fd, int flags) {
    WithFd message(bytes.data(), bytes.size());
    const auto got = ::recvmsg(socket, &message.head, flags | MSG_CMSG_CLOEXEC);
    const auto* header = got < 0 ? nullptr : CMSG_FIRSTHDR(&message.head);
    if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        int received = -1;
        std::memcpy(&received, CMSG_DATA(header), sizeof received);
        fd = Fd(received);
    }
    return got;
}

}  // namespace ksms
