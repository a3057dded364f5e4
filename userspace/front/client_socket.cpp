// SPDX-License-Identifier: BSD-2-Clause
#include "front/client_socket.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

#include "front/messages.hpp"
#include "os/fd_message.hpp"

namespace ksms {
namespace {

constexpr std::size_t longest_line = 4096;

}  // namespace

Status send_client(int socket, const Client& client) {
    const auto text = nlohmann::json(client.caller).dump();
    while (send_with_fd(socket, text, client.socket.get(), MSG_DONTWAIT) < 0)
        if (errno != EINTR) return fail_errno(errno, "hand a client over");
    return {};
}

Result<std::optional<Client>> receive_client(int socket) {
    std::array<char, longest_line> text{};
    Client client;
    const auto got = receive_with_fd(socket, text, client.socket, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got < 0) return fail_errno(errno, "take a client");
    if (got == 0) return fail(Code::not_found, "ksmsd has ended");
    const auto head = nlohmann::json::parse(text.data(), text.data() + got, nullptr, false);
    if (!head.is_object()) return fail(Code::failed, "take a client: it is none");
    client.caller = head.get<Caller>();
    return client;
}

}  // namespace ksms
