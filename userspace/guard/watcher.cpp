// SPDX-License-Identifier: BSD-2-Clause
#include "guard/watcher.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "guard/undo.hpp"

namespace ksms {
namespace {

constexpr int kJoinedLooks = 200;             // 1 ms apart, until joined threads are gone
constexpr std::chrono::seconds kPatience{1};  // for the end of a process

/// The directory has one link for ".", one for "..", and one for each thread (fs/proc/base.c,
/// proc_task_getattr).
bool has_one_thread() {
#ifdef KSMS_SANITIZED
    return true;  // ThreadSanitizer starts a thread
#endif
    struct stat tasks{};
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == 3;
}

/// Waits until joined threads are gone: pthread_join() returns before the kernel removes the thread
/// (mm_release() in kernel/fork.c).
bool comes_to_one_thread() {
    for (int waited = 0; waited < kJoinedLooks; ++waited) {
        if (has_one_thread()) return true;
        poll(nullptr, 0, 1);
    }
    return has_one_thread();
}

/// Undoing needs maps and programs. A link must not stay open: the watcher would keep it alive
/// after the scan.
bool is_map_or_program(int fd) {
    std::array<char, 64> target{};
    const auto length =
        readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
    const std::string_view name(target.data(), length < 0 ? 0u : static_cast<std::size_t>(length));
    return name == "anon_inode:bpf-map" || name == "anon_inode:bpf-prog";
}

/// Closes inherited descriptors: an open pipe of the caller would block `$(ksmsctl …)` until the
/// watcher ends.
bool close_inherited(int socket, int parent) {
    DIR* directory = opendir("/proc/self/fd");
    if (directory == nullptr) return false;
    std::vector<int> others;
    while (true) {
        errno = 0;
        const dirent* each = readdir(directory);
        if (each == nullptr) break;
        const int fd = each->d_name[0] == '.' ? -1 : std::atoi(each->d_name);
        if (fd >= 0 && fd != socket && fd != parent && fd != dirfd(directory) &&
            !is_map_or_program(fd))
            others.push_back(fd);
    }
    const bool complete = errno == 0;
    closedir(directory);
    if (!complete) return false;
    for (const int fd : others) close(fd);
    int null = -1;
    do {
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (null >= 0 && null <= STDERR_FILENO);
    if (null >= 0) close(null);
    return true;
}

bool wait_for_end(int process) {
    pollfd ended{process, POLLIN, 0};
    int ready = 0;
    do {
        ready = poll(&ended, 1, in_ms(kPatience));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/// @param parent  pidfd of the owner, which may still be closing its descriptors
void undo_everything_of(const ProcessId& owner, const Objects& objects, int parent) {
    Undoer undoer(objects);
    auto journal = Journal::read(objects);
    if (!journal) return;
    // Failures stay in the journal. The next command tries again and reports them.
    auto& items = journal->owners[owner];
    const auto taps = std::ranges::stable_partition(
        items, [](const JournalItem& item) { return item.entry.kind != KSMS_DID_TAP; });
    static_cast<void>(undoer.undo({items.begin(), taps.begin()}));
    static_cast<void>(undoer.remove_unused());
    // The entry of a tap stays until no process holds its link. The link may be closed some 10 ms
    // after the socket.
    wait_for_end(parent);
    static_cast<void>(undoer.undo(taps));
}

[[noreturn]] void watch(const ProcessId& owner, const Objects& objects, int socket) {
    // A signal to the scan's process group or terminal must not end the watcher.
    setsid();
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE})
        std::signal(number, SIG_IGN);
    const Fd parent(static_cast<int>(syscall(SYS_pidfd_open, owner.pid, 0)));
    if (!close_inherited(socket, parent.get()) || chdir("/") != 0) _exit(1);
    // Last: a process with this name has closed the caller's descriptors.
    prctl(PR_SET_NAME, "ksms-watcher");
    char word = 0;
    ssize_t count = 0;
    do {
        count = read(socket, &word, sizeof word);
    } while (count < 0 && errno == EINTR);
    if (count == 0) undo_everything_of(owner, objects, parent.get());
    _exit(0);
}

}  // namespace

Watcher::Watcher(Fd socket, Fd process, pid_t pid)
    : socket_(std::move(socket)), process_(std::move(process)), pid_(pid) {}

Watcher::Watcher(Watcher&& other) noexcept
    : socket_(std::move(other.socket_)),
      process_(std::move(other.process_)),
      pid_(std::exchange(other.pid_, -1)) {}

Result<Watcher> Watcher::start(const Objects& objects, const ProcessId& self) {
    if (!comes_to_one_thread())
        return fail(Code::failed, "start the watcher: this process has more than one thread");
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno(errno, "make the watcher's socket");
    Fd ours(ends[0]), theirs(ends[1]);
    const pid_t child = fork();
    if (child < 0) return fail_errno(errno, "fork the watcher");
    if (child == 0) {
        ours = Fd();  // or it would wait for itself
        watch(self, objects, theirs.get());
    }
    Watcher watcher(std::move(ours), Fd(static_cast<int>(syscall(SYS_pidfd_open, child, 0))),
                    child);
    if (!watcher.process_) return fail_errno(errno, "open the watcher's pidfd");
    return watcher;
}

bool Watcher::is_alive() const {
    pollfd ended{process_.get(), POLLIN, 0};
    return poll(&ended, 1, 0) == 0;
}

Watcher::~Watcher() {
    if (pid_ < 0) return;
    const char go = 1;
    send(socket_.get(), &go, sizeof go, MSG_NOSIGNAL);
    // Kill a stopped watcher. Everything is undone by now.
    if (process_ && !wait_for_end(process_.get()))
        syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
    waitpid(pid_, nullptr, 0);
}

}  // namespace ksms
