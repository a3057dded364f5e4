// SPDX-License-Identifier: BSD-2-Clause
// Sources: proc_pid_fdinfo(5), epoll_ctl(2).
#include "os/watched.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace ksms {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

Result<std::vector<int>> open_descriptors() {
    const std::unique_ptr<DIR, CloseDirectory> directory(opendir("/proc/self/fd"));
    if (!directory) return fail_errno(errno, "list descriptors");
    std::vector<int> found;
    while (true) {
        errno = 0;
        const dirent* entry = readdir(directory.get());
        if (entry == nullptr && errno != 0) return fail_errno(errno, "list descriptors");
        if (entry == nullptr) return found;
        const std::string_view name = entry->d_name;
        int number = -1;
        std::from_chars(name.data(), name.data() + name.size(), number);
        if (number > STDERR_FILENO && number != dirfd(directory.get())) found.push_back(number);
    }
}

std::string link_of(int fd) {
    std::array<char, 64> target{};
    const auto length =
        readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
    return {target.data(), length < 0 ? 0U : static_cast<std::size_t>(length)};
}

/// What is closed at exec was not inherited.
bool is_own(int fd) {
    const int flags = fcntl(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) != 0;
}

/// Where a pipe that does not block is read: only signals are told by one.
bool is_pipe_of_signals(int fd, const std::string& link) {
    const int flags = fcntl(fd, F_GETFL);
    return link.starts_with("pipe:") && flags >= 0 && (flags & O_NONBLOCK) != 0 &&
           (flags & O_ACCMODE) == O_RDONLY;
}

}  // namespace

Status are_events_watched() {
    KSMS_TRY(const auto descriptors, open_descriptors());
    std::set<int> watched, wanted;
    for (const int fd : descriptors) {
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
