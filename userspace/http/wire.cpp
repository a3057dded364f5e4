// SPDX-License-Identifier: BSD-2-Clause
#include "http/wire.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ksms {
namespace {

/// A stop may come between the question and the wait: it is asked again after this time.
constexpr std::chrono::milliseconds longest_poll{200};

std::unexpected<Error> cannot_connect(int error, const std::string& path) {
    if (error == ENOENT || error == ECONNREFUSED)
        return fail_errno(error, "ksmsd is not running: connect to " + path,
                          "start it: systemctl start ksmsd");
    if (error == EACCES || error == EPERM)
        return fail_errno(error, "connect to ksmsd at " + path,
                          "members of the group ksms may: usermod -aG ksms USER, and log in again");
    if (error == EAGAIN)  // the queue of those who wait to be accepted is full: unix(7)
        return fail_errno(error, "ksmsd does not accept: connect to " + path, "try again later");
    return fail_errno(error, "connect to ksmsd at " + path);
}

}  // namespace

Result<Wire> Wire::connect(const std::string& path, std::chrono::milliseconds longest,
                           Stopped stopped) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path))
        return fail(Code::usage, "the path of a Unix socket is 1 to " +
                                     std::to_string(sizeof(address.sun_path) - 1) +
                                     " bytes long: " + path);
    std::ranges::copy(path, std::begin(address.sun_path));
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail_errno(errno, "make a Unix socket");
    const auto until = Clock::now() + longest;
    while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) <
           0) {
        if (errno != EAGAIN || Clock::now() >= until) return cannot_connect(errno, path);
        if (stopped && stopped()) return fail_errno(EINTR, "connect to ksmsd");
        // Nothing tells when there is room in the queue.
        ::poll(nullptr, 0, 20);
    }
    return Wire(std::move(socket), std::move(stopped));
}

Status Wire::wait(short events, Clock::time_point until) const {
    while (true) {
        if (stopped_ && stopped_()) return fail_errno(EINTR, "wait for ksmsd");
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
        if (left.count() <= 0)
            return fail_errno(ETIMEDOUT, "ksmsd does not answer",
                              "see its log: journalctl -u ksmsd");
        pollfd entry{socket_.get(), events, 0};
        const int ready =
            ::poll(&entry, 1, static_cast<int>(std::min(left, longest_poll).count()) + 1);
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for ksmsd");
    }
}

Status Wire::write(std::string_view bytes, Clock::time_point until) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            KSMS_CHECK(wait(POLLOUT, until));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return {};  // it refuses, and its answer says why
        } else if (errno != EINTR) {
            return fail_errno(errno, "send a request to ksmsd");
        }
    }
    return {};
}

Result<std::size_t> Wire::read(char* data, std::size_t size, Clock::time_point until) {
    while (true) {
        const auto got = ::recv(socket_.get(), data, size, 0);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno == ECONNRESET) return 0UL;
        if (errno == EAGAIN) {
            KSMS_CHECK(wait(POLLIN, until));
        } else if (errno != EINTR) {
            return fail_errno(errno, "read the answer of ksmsd");
        }
    }
}

}  // namespace ksms
