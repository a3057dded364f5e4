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
#include <utility>

namespace ksms {
namespace {

constexpr int kLongest = 2000;  // milliseconds

/// Sent together with a socket, on which the answer comes: an errno, and the file if it is 0.
struct Request {
    std::uint32_t pid{0};
    ProcFile file{ProcFile::net};
};

/// A message of one value and, perhaps, one descriptor (unix(7), cmsg(3)).
template <typename Value>
class Datagram {
public:
    Datagram() : header_() {
        part_ = {&value, sizeof value};
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
    }
    Datagram(const Datagram&) = delete;
    Datagram& operator=(const Datagram&) = delete;

    ssize_t send(int socket, int fd, int flags) {
        if (fd >= 0) {
            header_.msg_control = control_.data();
            header_.msg_controllen = control_.size();
            auto* const attached = CMSG_FIRSTHDR(&header_);
            attached->cmsg_level = SOL_SOCKET;
            attached->cmsg_type = SCM_RIGHTS;
            attached->cmsg_len = CMSG_LEN(sizeof fd);
            std::memcpy(CMSG_DATA(attached), &fd, sizeof fd);
        }
        return ::sendmsg(socket, &header_, flags | MSG_NOSIGNAL);
    }

    /// The kernel closes what there is no room for.
    ssize_t receive(int socket, Fd& fd) {
        header_.msg_control = control_.data();
        header_.msg_controllen = control_.size();
        const auto got = ::recvmsg(socket, &header_, MSG_CMSG_CLOEXEC);
        const auto* const attached = got < 0 ? nullptr : CMSG_FIRSTHDR(&header_);
        if (attached != nullptr && attached->cmsg_level == SOL_SOCKET &&
            attached->cmsg_type == SCM_RIGHTS && attached->cmsg_len == CMSG_LEN(sizeof(int))) {
            int received = -1;
            std::memcpy(&received, CMSG_DATA(attached), sizeof received);
            fd = Fd(received);
        }
        return got;
    }

    void to(sockaddr_un& address) {
        header_.msg_name = &address;
        header_.msg_namelen = sizeof address;
    }

    Value value{};

private:
    msghdr header_;
    iovec part_;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control_{};
};

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
    Datagram<Request> request;
    request.value = {pid, file};
    request.to(address);
    if (request.send(way.get(), its.get(), 0) != sizeof request.value)
        return fail(Code::failed, fmt::format("ask {}: {}", socket, std::strerror(errno)));
    its = Fd();
    pollfd answered{ours.get(), POLLIN, 0};
    Datagram<std::int32_t> answer;
    Fd fd;
    if (::poll(&answered, 1, kLongest) != 1 ||
        answer.receive(ours.get(), fd) != sizeof answer.value || (answer.value == 0 && !fd))
        return fail(Code::failed, fmt::format("{} does not answer", socket),
                    "systemctl status ksmsd-proc.socket");
    if (answer.value != 0) return fail_errno(answer.value, "open " + path_of(pid, file));
    return fd;
}

Error serve_proc_files(int socket) {
    while (true) {
        Datagram<Request> request;
        Fd client;
        const auto got = request.receive(socket, client);
        if (got < 0 && errno != EINTR) return fail_errno(errno, "receive a request").error();
        const auto [pid, file] = request.value;
        if (got != sizeof request.value || !client || file > ProcFile::stat) continue;
        const auto fd = open_here(pid, file);
        Datagram<std::int32_t> answer;
        answer.value = fd ? 0 : errno;
        // Who has gone, or does not read, has no answer.
        static_cast<void>(answer.send(client.get(), fd.get(), MSG_DONTWAIT));
    }
}

}  // namespace ksms
