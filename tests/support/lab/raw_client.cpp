// SPDX-License-Identifier: BSD-2-Clause
#include "lab/raw_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace ksms::lab {
namespace {

using Clock = std::chrono::steady_clock;

bool ready(int fd, short events, Clock::time_point until) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    pollfd entry{fd, events, 0};
    return ::poll(&entry, 1, static_cast<int>(std::max<long>(0, left))) > 0;
}

}  // namespace

RawClient::RawClient(const std::string& path, const Client& who) {
    as_client(who, [&] {
        socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path));
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0)
            throw std::runtime_error("connect to " + path + ": " + std::strerror(errno));
    });
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

std::size_t RawClient::say(std::string_view text, milliseconds within) {
    const auto until = Clock::now() + within;
    std::size_t said = 0;
    while (said < text.size()) {
        const auto sent =
            ::send(socket_.get(), text.data() + said, text.size() - said, MSG_NOSIGNAL);
        if (sent > 0)
            said += static_cast<std::size_t>(sent);
        else if (errno != EAGAIN || !ready(socket_.get(), POLLOUT, until))
            break;
    }
    return said;
}

std::string RawClient::hear(milliseconds within) {
    const auto until = Clock::now() + within;
    std::string text;
    std::array<char, 65536> buffer{};
    while (ready(socket_.get(), POLLIN, until)) {
        const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
}

std::string RawClient::begin(milliseconds within) {
    std::array<char, 16> buffer{};
    if (!ready(socket_.get(), POLLIN, Clock::now() + within)) return {};
    const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(0, got))};
}

bool RawClient::is_closed() {
    std::array<char, 65536> buffer{};
    while (true) {
        const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got == 0) return true;
        if (got < 0) return errno != EAGAIN;
    }
}

std::string http_status(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") && answer.size() > 12 ? answer.substr(9, 3) : "none";
}

}  // namespace ksms::lab
