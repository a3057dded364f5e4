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

constexpr std::size_t longest_line = 4096;

/// A message with one buffer and an aligned control buffer for one descriptor.
struct Message {
    Message(char* data, std::size_t size) : part{data, size} {
        head.msg_iov = &part;
        head.msg_iovlen = 1;
        head.msg_control = &control;
        head.msg_controllen = sizeof control;
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    msghdr head{};
    iovec part;
    union {
        cmsghdr header;
        std::array<char, CMSG_SPACE(sizeof(int))> bytes;
    } control{};  // last: cmsghdr ends with a flexible array
};

}  // namespace

Status send_client(int socket, const Client& client) {
    auto text = nlohmann::json(client.caller).dump();
    Message message(text.data(), text.size());
    auto& control = message.control.header;
    control.cmsg_level = SOL_SOCKET;
    control.cmsg_type = SCM_RIGHTS;
    control.cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = client.socket.get();
    std::memcpy(CMSG_DATA(&control), &descriptor, sizeof descriptor);
    while (::sendmsg(socket, &message.head, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return fail_errno(errno, "hand a client over");
    return {};
}

Result<std::optional<Client>> receive_client(int socket) {
    std::array<char, longest_line> text{};
    Message message(text.data(), text.size());
    const auto got = ::recvmsg(socket, &message.head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got < 0) return fail_errno(errno, "take a client");
    if (got == 0) return fail(Code::not_found, "ksmsd has ended");
    int descriptor = -1;
    const auto* header = CMSG_FIRSTHDR(&message.head);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
        std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    Client client{Fd(descriptor), {}};
    const auto head = nlohmann::json::parse(text.data(), text.data() + got, nullptr, false);
    if (!head.is_object()) return fail(Code::failed, "take a client: it is none");
    client.caller = head.get<Caller>();
    return client;
}

}  // namespace ksms
