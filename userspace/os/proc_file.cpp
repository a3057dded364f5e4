// SPDX-License-Identifier: BSD-2-Clause
#include "os/proc_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "os/fd_message.hpp"

namespace ksms {
namespace {

constexpr int kLongest = 2000;  // milliseconds

/// Sent together with a socket, on which the answer comes: an errno, and the file if it is 0.
struct Request {
    std::uint32_t pid{0};
    ProcFile file{ProcFile::net};
};

template <typename Value>
std::span<char> bytes_of(Value& value) {
    return {reinterpret_cast<char*>(&value), sizeof value};
}

std::string path_of(std::uint32_t pid, ProcFile file) {
    return fmt::format("/proc/{}/{}", pid, file == ProcFile::net ? "ns/net" : "stat");
}

Fd open_here(std::uint32_t pid, ProcFile file) {
    return Fd(::open(path_of(pid, file).c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

Result<Fd> open_proc_file(std::uint32_t pid, ProcFile file) {
    auto fd = open_here(pid, file);
    if (fd) return fd;
    const int err = errno;
    const auto what = "open " + path_of(pid, file);
    if (err != EACCES && err != EPERM) return fail_errno(err, what);
    auto opened = open_proc_file_at(kProcSocket, pid, file);
    const bool answered = opened || opened.error().err != 0;
    return answered ? std::move(opened) : fail_errno(err, what);
}

Result<Fd> open_proc_file_at(const std::string& socket, std::uint32_t pid, ProcFile file) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.size() >= sizeof address.sun_path)
        return fail(Code::failed, fmt::format("{} is no path of a socket", socket));
    std::memcpy(address.sun_path, socket.data(), socket.size());
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return fail_errno(errno, "make a socket pair");
    const Fd ours(pair[0]);
    Fd its(pair[1]);
    const Fd way(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!way) return fail_errno(errno, "make a socket");
    const timeval longest{kLongest / 1000, 0};
    ::setsockopt(way.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    Request request{pid, file};
    if (send_with_fd(way.get(), bytes_of(request), its.get(), 0, &address) != sizeof request)
        return fail(Code::failed, fmt::format("ask {}: {}", socket, std::strerror(errno)));
    its = Fd();
    pollfd answered{ours.get(), POLLIN, 0};
    std::int32_t answer = 0;
    Fd fd;
    if (::poll(&answered, 1, kLongest) != 1 ||
        receive_with_fd(ours.get(), bytes_of(answer), fd, 0) != sizeof answer ||
        (answer == 0 && !fd))
        return fail(Code::failed, fmt::format("{} does not answer", socket),
                    "systemctl status ksmsd-proc.socket");
    if (answer != 0) return fail_errno(answer, "open " + path_of(pid, file));
    return fd;
}

Error serve_proc_files(int socket) {
    while (true) {
        Request request;
        Fd client;
        const auto got = receive_with_fd(socket, bytes_of(request), client, 0);
        if (got < 0 && errno != EINTR) return fail_errno(errno, "receive a request").error();
        if (got != sizeof request || !client || request.file > ProcFile::stat) continue;
        const auto fd = open_here(request.pid, request.file);
        std::int32_t answer = fd ? 0 : errno;
        // Who has gone, or does not read, has no answer.
        static_cast<void>(send_with_fd(client.get(), bytes_of(answer), fd.get(), MSG_DONTWAIT));
    }
}

}  // namespace ksms
