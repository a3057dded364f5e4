// SPDX-License-Identifier: BSD-2-Clause
#include "os/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

namespace ksms {
namespace {

std::mutex guard;
std::vector<pid_t> unreaped;  ///< killed, not reaped yet

void take_away() {
    const std::lock_guard lock(guard);
    std::erase_if(unreaped, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace

Result<Child> start_again(std::vector<std::string> arguments, const std::vector<int>& given) {
    take_away();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    const Defer free_both([&] {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    });
    for (std::size_t i = 0; i < given.size(); ++i)
        ::posix_spawn_file_actions_adddup2(&actions, given[i], kFirstGiven + static_cast<int>(i));
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> words;
    for (auto& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    Child child;
    const int failed =
        ::posix_spawn(&child.pid, "/proc/self/exe", &actions, &attributes, words.data(), environ);
    if (failed != 0) return fail_errno(failed, fmt::format("start {}", arguments.front()));
    child.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (child.pidfd) return child;
    const int error = errno;
    leave_behind(std::move(child));
    return fail_errno(error, fmt::format("watch {}", arguments.front()));
}

std::optional<std::string> how_ended(int pidfd) {
    siginfo_t ended{};
    const int asked = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &ended, WEXITED | WNOHANG);
    if (asked == 0 && ended.si_pid == 0) return std::nullopt;
    return fmt::format("{} {}", ended.si_code == CLD_EXITED ? "exit" : "signal", ended.si_status);
}

void leave_behind(Child child) {
    if (child.pid <= 0) return;
    ::kill(child.pid, SIGKILL);
    {
        const std::lock_guard lock(guard);
        unreaped.push_back(child.pid);
    }
    take_away();
}

void keep_given(int given) {
    ::syscall(SYS_close_range, kFirstGiven + given, ~0U, 0);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    // A terminal could also be read from this descriptor.
    if (::isatty(STDERR_FILENO) == 1) ::dup2(null, STDERR_FILENO);
    ::close(null);
}

bool dies_with(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    return ::getppid() == parent;
}

}  // namespace ksms
