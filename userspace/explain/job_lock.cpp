// SPDX-License-Identifier: BSD-2-Clause
#include "explain/job_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/clock.hpp"

namespace ksms {
namespace {

constexpr nanoseconds kLook = std::chrono::milliseconds(20);  // between attempts

/// The process that holds a flock(2) on this inode, from /proc/locks (proc_locks(5)): "1: FLOCK
/// ADVISORY WRITE 1234 00:1c:5 0 EOF".
std::string holder_of(const struct stat& file) {
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words(line);
        std::string number, kind, mode, access, pid, where;
        words >> number >> kind >> mode >> access >> pid >> where;
        const auto colon = where.rfind(':');
        if (kind != "FLOCK" || colon == std::string::npos ||
            where.substr(colon + 1) != std::to_string(file.st_ino))
            continue;
        std::string name;
        std::ifstream command("/proc/" + pid + "/comm");
        // Inodes of other file systems may have the same number, and waiters are listed too.
        if (std::getline(command, name) && name.starts_with("ksms"))
            return fmt::format("process {} ({})", pid, name);
    }
    return "another process";
}

}  // namespace

Result<JobLock> JobLock::take(const PinRoot& root, std::chrono::nanoseconds wait,
                              const std::atomic<int>* stop) {
    const auto path = root.path + "/links";
    JobLock lock;
    lock.fd_ = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.fd_) return fail_errno(errno, "open " + path);
    const auto until = monotonic() + wait;
    while (flock(lock.fd_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, "lock " + path);
        if (stop != nullptr && stop->load() != 0)
            return fail(Code::failed, "stopped while waiting for another detailed job");
        const auto now = monotonic();
        if (now >= until) {
            struct stat file{};
            fstat(lock.fd_.get(), &file);
            return fail(Code::failed,
                        fmt::format("detailed jobs run one at a time: {} holds the lock, and "
                                    "waited {:.1f} s for it",
                                    holder_of(file), std::chrono::duration<double>(wait).count()),
                        "wait longer (--wait SECONDS)");
        }
        poll(nullptr, 0, poll_time(std::min(until - now, kLook)));
    }
    return lock;
}

}  // namespace ksms
