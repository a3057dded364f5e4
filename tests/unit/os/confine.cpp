// SPDX-License-Identifier: BSD-2-Clause
// Confinement, tested from inside in a child process.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <functional>
#include <vector>

#include "base/fd.hpp"
#include "os/confine.hpp"
#include "os/process.hpp"

using namespace ksms;

namespace {

/// Runs steps in a child; the number of the first that fails, or 0. A step must free what it
/// allocates: the child exits without destructors.
int first_failing(const std::vector<std::function<bool()>>& steps) {
    const pid_t child = ::fork();
    if (child == 0) {
        int number = 0;
        for (const auto& step : steps) {
            ++number;
            errno = 0;
            if (!step()) ::_exit(number);
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// A call that must fail; Landlock returns EACCES.
template <typename F>
std::function<bool()> refused(F call) {
    return [call] { return call() < 0 && (errno == EPERM || errno == EACCES); };
}

}  // namespace

#ifndef KSMS_SANITIZED

TEST_CASE("confine: the front process can only use its descriptors") {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
    const Fd one(pair[0]), other(pair[1]);
    const pid_t parent = ::getpid();
    CHECK(first_failing({
              [] { return confine_to_descriptors().has_value(); },
              [] { return !has_capability(CAP_NET_ADMIN) && !has_capability(CAP_SYS_ADMIN); },
              [&] { return ::write(one.get(), "x", 1) == 1; },
              [&] {
                  char byte = 0;
                  return ::read(other.get(), &byte, 1) == 1 && byte == 'x';
              },
              refused([] { return ::open("/etc/passwd", O_RDONLY); }),
              refused([] { return ::open("/tmp/ksms-confined", O_CREAT | O_WRONLY, 0600); }),
              refused([] { return ::access("/", F_OK); }),
              refused([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }),
              refused([] { return ::socket(AF_INET, SOCK_STREAM, 0); }),
              refused([] {
                  return ::socketpair(AF_UNIX, SOCK_STREAM, 0, std::array<int, 2>{}.data());
              }),
              refused([&] { return ::connect(one.get(), nullptr, 0); }),
              refused([&] { return ::kill(parent, 0); }),
              refused([&] { return ::syscall(SYS_tgkill, parent, parent, 0); }),
              refused([&] { return ::syscall(SYS_pidfd_open, parent, 0); }),
              refused([&] { return ::ptrace(PTRACE_ATTACH, parent, 0, 0); }),
              // A signal through a descriptor: F_SETSIG replaces SIGIO.
              refused([&] { return ::fcntl(one.get(), F_SETOWN, parent); }),
              refused([&] { return ::fcntl(one.get(), F_SETSIG, SIGTERM); }),
              refused([&] { return ::fcntl(one.get(), F_SETFL, O_ASYNC); }),
              refused([&] { return ::fcntl(one.get(), F_SETLEASE, F_RDLCK); }),
              [&] { return ::fcntl(one.get(), F_SETFL, O_NONBLOCK) == 0; },
              refused([] { return ::fork(); }),
              refused([] { return ::execl("/bin/true", "true", nullptr); }),
              refused([] { return ::unshare(CLONE_NEWUSER); }),
              refused([] { return ::syscall(SYS_bpf, 0, nullptr, 0); }),
              refused([] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }),
              refused([] { return ::prctl(PR_SET_DUMPABLE, 1); }),
              [] {
                  return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                                -1, 0) == MAP_FAILED &&
                         errno == EPERM;
              },
              [] {
                  return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                -1, 0) != MAP_FAILED;
              },
          }) == 0);
}

TEST_CASE("confine: a scan's filter refuses mount, ptrace and new namespaces") {
    CHECK(first_failing({
              [] { return keep_capabilities(std::array{CAP_NET_RAW}).has_value(); },
              [] { return !has_capability(CAP_SYS_ADMIN) && !has_capability(CAP_NET_ADMIN); },
              [] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; },
              [] { return refuse_what_no_scan_needs().has_value(); },
              refused([] { return ::mount("none", "/mnt", "tmpfs", 0, nullptr); }),
              refused([] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0); }),
              refused([] { return ::unshare(CLONE_NEWUSER); }),
              refused([] { return ::unshare(CLONE_NEWNS | CLONE_NEWNET); }),
              refused([] { return ::setns(0, 0); }),
              refused([] { return ::setns(0, CLONE_NEWNS); }),
              refused([] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }),
              // The filter passes CLONE_NEWNET; the kernel then rejects the descriptor.
              [] { return ::setns(0, CLONE_NEWNET) < 0 && errno == EINVAL; },
              [] { return ::open("/etc/passwd", O_RDONLY) >= 0; },
              // Scans start tools such as nft.
              [] {
                  const pid_t child = ::fork();
                  if (child == 0) ::execl("/bin/true", "true", nullptr);
                  int status = -1;
                  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
              },
          }) == 0);
}

#endif
