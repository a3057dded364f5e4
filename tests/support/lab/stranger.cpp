// SPDX-License-Identifier: BSD-2-Clause
#include "lab/stranger.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>

namespace ksms::lab {
namespace {

std::array<Fd, 2> pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    return {Fd(ends[0]), Fd(ends[1])};
}

bool write_map(pid_t pid, const char* name, uid_t outside) {
    std::ofstream file(fmt::format("/proc/{}/{}", pid, name));
    file << fmt::format("0 {} 1\n", outside);
    return static_cast<bool>(file.flush());
}

}  // namespace

Stranger::Stranger(uid_t uid, std::function<void()> work) : uid_(uid), work_(std::move(work)) {
    auto ready = pipe();
    auto go = pipe();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) live(ready[1].get(), go[0].get());
    ready[1].reset();
    char byte = 0;
    here_ = ::read(ready[0].get(), &byte, 1) == 1 && write_map(pid_, "uid_map", uid) &&
            write_map(pid_, "gid_map", uid);
    go_ = std::move(go[1]);
}

Stranger::~Stranger() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Stranger::start() const {
    if (::write(go_.get(), "g", 1) != 1) throw std::runtime_error("write");
}

void Stranger::live(int ready, int go) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool other = ::syscall(SYS_setgroups, 0, nullptr) == 0 &&
                       ::syscall(SYS_setresgid, uid_, uid_, uid_) == 0 &&
                       ::syscall(SYS_setresuid, uid_, uid_, uid_) == 0;
    // Becoming another user clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte = 0;
    if (!other || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || ::write(ready, "r", 1) != 1 ||
        ::read(go, &byte, 1) != 1)
        ::_exit(1);
    if (work_) work_();
    while (true) ::pause();
}

}  // namespace ksms::lab
