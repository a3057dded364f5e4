// SPDX-License-Identifier: BSD-2-Clause
#include "front/client_socket.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "front/messages.hpp"

namespace ksms {
namespace {

constexpr std::size_t longest = 4096;

/// Room for one descriptor, aligned as the kernel wants it.
union Control {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

}  // namespace

Status send_client(int socket, const Client& client) {
    auto text = json_of(client.caller).dump();
    iovec part{text.data(), text.size()};
    Control control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = client.socket.get();
    std::memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    while (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return fail_errno(errno, "hand a client over");
    return {};
}

Result<std::optional<Client>> receive_client(int socket) {
    std::array<char, longest> text{};
    iovec part{text.data(), text.size()};
    Control control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    const auto got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got < 0) return fail_errno(errno, "take a client");
    if (got == 0) return fail(Code::not_found, "ksmsd has ended");
    int descriptor = -1;
    const auto* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
        std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    Client client{Fd(descriptor), {}};
    const auto head = nlohmann::json::parse(text.data(), text.data() + got, nullptr, false);
    if (!head.is_object()) return fail(Code::failed, "take a client: it is none");
    client.caller = read_caller(head);
    return client;
}

}  // namespace ksms
