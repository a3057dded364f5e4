// SPDX-License-Identifier: BSD-2-Clause
// Sources: proc_pid_fdinfo(5), epoll_ctl(2).
#include "os/watched.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>

#include "base/directory.hpp"
#include "base/text.hpp"

namespace ksms {
namespace {

std::string link_of(int fd) {
    std::error_code none;
    return std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), none).string();
}

/// A descriptor with FD_CLOEXEC was not inherited.
bool is_own(int fd) {
    const int flags = fcntl(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) != 0;
}

/// The read end of a non-blocking pipe, which Asio uses for signals.
bool is_pipe_of_signals(int fd, const std::string& link) {
    const int flags = fcntl(fd, F_GETFL);
    return link.starts_with("pipe:") && flags >= 0 && (flags & O_NONBLOCK) != 0 &&
           (flags & O_ACCMODE) == O_RDONLY;
}

}  // namespace

Status are_events_watched() {
    KSMS_TRY(const auto descriptors, list_directory("/proc/self/fd"));
    std::set<int> watched, wanted;
    for (const auto& descriptor : descriptors) {
        const int fd = parse_number<int>(descriptor).value_or(-1);
        if (fd <= STDERR_FILENO) continue;
        const auto link = link_of(fd);
        if ((link == "anon_inode:[eventfd]" || link == "anon_inode:[timerfd]" ||
             is_pipe_of_signals(fd, link)) &&
            is_own(fd))
            wanted.insert(fd);
        if (link != "anon_inode:[eventpoll]") continue;
        std::ifstream file(fmt::format("/proc/self/fdinfo/{}", fd));
        std::string word;
        int target = -1;
        while (file >> word)
            if (word == "tfd:" && file >> target) watched.insert(target);
    }
    for (const int fd : wanted)
        if (!watched.contains(fd))
            return fail_errno(ENOMEM, fmt::format("wait for timers and signals ({})", link_of(fd)),
                              "memory, or /proc/sys/fs/epoll/max_user_watches, is not enough");
    return {};
}

}  // namespace ksms
