// SPDX-License-Identifier: BSD-2-Clause
// A failed system call does not mean that the object is gone. No root.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <functional>

#include "os/netns.hpp"
#include "os/process.hpp"

using namespace ksms;

namespace {

/// True if `holds` is true in a process in which this call fails.
bool holds_where(long call, int err, const std::function<bool()>& what) {
    const pid_t child = fork();
    if (child == 0) {
        std::array code{
            sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1),
            sock_filter BPF_STMT(BPF_RET | BPF_K,
                                 SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(err)),
            sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        const sock_fprog program{code.size(), code.data()};
        const bool set = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
        _exit(set && what() ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status == 0;
}

bool fails_with(int err) {
    const auto all = all_netns();
    return !all && all.error().err == err;
}

Code code_of_search(std::uint32_t inode) {
    const auto found = find_netns(inode, 1);
    return found ? Code::usage : found.error().code;
}

}  // namespace

TEST_CASE("namespaces: an unreadable directory is an error, not an empty list") {
    struct Refusal {
        long call;
        int err;
    };
    for (const auto& [call, err] :
         {Refusal{SYS_setns, ENOMEM}, Refusal{SYS_socket, ENOBUFS}, Refusal{SYS_socket, ENOMEM},
          Refusal{SYS_getsockopt, ENOMEM}, Refusal{SYS_getdents64, EIO},
          Refusal{SYS_openat, ENOMEM}, Refusal{SYS_newfstatat, ENOMEM}}) {
        INFO("call " << call << ", errno " << err);
        CHECK(holds_where(call, err, [e = err] { return fails_with(e); }));
        CHECK(holds_where(call, err, [] { return code_of_search(1) == Code::failed; }));
    }
}

TEST_CASE("namespaces: a namespace without permission to enter is listed") {
    CHECK(holds_where(SYS_setns, EPERM, [] {
        const auto all = all_netns();
        return all && !all->empty() && all->front().cookie() == 0;
    }));
    CHECK(holds_where(SYS_setns, EPERM, [] {
        const auto here = Netns::open_path("/proc/thread-self/ns/net", "host");
        return here && code_of_search(here->inode()) == Code::not_allowed;
    }));
}

TEST_CASE("namespaces: a reused inode is told apart by the cookie") {
    const auto here = Netns::open_path("/proc/thread-self/ns/net", "host");
    REQUIRE(here);
    if (here->cookie() == 0) {
        WARN("SKIP: it needs CAP_SYS_ADMIN");
        return;
    }
    CHECK(code_of_search(here->inode()) == Code::not_found);
}

TEST_CASE("processes: a process that cannot be inspected counts as alive") {
    const ProcessId dead{static_cast<std::uint32_t>(getpid()), 1};
    CHECK_FALSE(is_alive(dead));
    for (const auto call : {SYS_read, SYS_openat})
        for (const int err : {EIO, ENOMEM, EACCES}) {
            INFO("call " << call << ", errno " << err);
            CHECK(holds_where(call, err, [&] { return is_alive(dead); }));
        }
    CHECK(holds_where(SYS_read, ESRCH, [&] { return !is_alive(dead); }));
    CHECK(holds_where(SYS_openat, ENOENT, [&] { return !is_alive(dead); }));
}
