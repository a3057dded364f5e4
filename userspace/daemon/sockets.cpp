// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sockets.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/group.hpp"

namespace ksms {
namespace {

constexpr int kBacklog = 128;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(Code::usage, fmt::format("socket {}: longer than {} bytes", path,
                                             sizeof address.sun_path - 1));
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

/// Whether the socket file exists and no process listens on it.
Result<bool> is_abandoned(const std::string& path, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return false;
    if (!S_ISSOCK(status.st_mode))
        return fail(Code::failed, fmt::format("{} exists and is not a socket", path),
                    "ksms.socket in the configuration names another");
    const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!probe) return fail_errno(errno, "make a socket");
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return fail(Code::failed, fmt::format("somebody listens on {}", path),
                    "ksmsd runs already; `systemctl status ksmsd`");
    return errno == ECONNREFUSED;
}

/// Gives the file to the group ksms, if the group exists.
Status give_to_group(const std::string& path, mode_t mode) {
    KSMS_TRY(const auto group, find_group(kGroup));
    if (!group) return {};
    if (::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0 ||
        ::chmod(path.c_str(), mode) != 0)
        return fail_errno(errno, "give the group ksms " + path);
    return {};
}

Result<Fd> unix_socket(const std::string& path) {
    KSMS_TRY(const auto address, address_of(path));
    const auto directory = std::filesystem::path(path).parent_path();
    // Closed to others until its group is set. The mode is set explicitly, whatever the umask.
    if (::mkdir(directory.c_str(), 0700) == 0) KSMS_CHECK(give_to_group(directory, 0750));
    KSMS_TRY(const bool abandoned, is_abandoned(path, address));
    if (abandoned && ::unlink(path.c_str()) != 0)
        return fail_errno(errno, "remove the old socket " + path);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "make a socket");
    // Closed to others until its group is set.
    const auto before = ::umask(0177);
    const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int failed = errno;
    ::umask(before);
    if (bound != 0) return fail_errno(failed, "bind to " + path);
    const auto ready = [&]() -> Status {
        KSMS_CHECK(give_to_group(path, 0660));
        if (::listen(fd.get(), kBacklog) != 0) return fail_errno(errno, "listen on " + path);
        return {};
    }();
    if (ready) return fd;
    ::unlink(path.c_str());
    return std::unexpected(ready.error());
}

Result<Fd> loopback_port(std::uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "make a socket");
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), kBacklog) != 0)
        return fail_errno(errno, fmt::format("listen on 127.0.0.1:{}", port),
                          "ksms.http_port in the configuration names another, 0 none");
    return fd;
}

}  // namespace

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0) inode_ = status.st_ino;
}
SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), inode_(other.inode_) {}
SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(inode_, other.inode_);
    return *this;
}
SocketFile::~SocketFile() {
    struct stat status{};
    if (!path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_ino == inode_)
        ::unlink(path_.c_str());
}

Result<Listening> listen_everywhere(const ServiceConfig& config) {
    Listening result;
    const int passed = ::sd_listen_fds(1);
    for (int i = 0; i < passed; ++i) result.sockets.emplace_back(SD_LISTEN_FDS_START + i);
    result.activated = passed > 0;
    if (result.activated) {
        KSMS_TRY(auto netns, Netns::of_socket(result.sockets.front().get(), "host"));
        KSMS_TRY(const auto ours, Netns::open_path("/proc/thread-self/ns/net", "ksmsd's"));
        if (netns.inode() != ours.inode())
            result.outside = std::make_shared<const Netns>(std::move(netns));
    }
    if (!result.activated) {
        KSMS_TRY(auto fd, unix_socket(config.socket));
        result.file = SocketFile(config.socket);
        result.sockets.push_back(std::move(fd));
    }
    if (config.http_port != 0) {
        const auto listen = [&]() -> Status {
            KSMS_TRY(auto fd, loopback_port(config.http_port));
            result.sockets.push_back(std::move(fd));
            return {};
        };
        KSMS_CHECK(result.outside ? in_netns(*result.outside, listen) : listen());
    }
    return result;
}

}  // namespace ksms
