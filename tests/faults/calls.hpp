// SPDX-License-Identifier: BSD-2-Clause
// Which system calls `inject` makes fail, and with what.
#pragma once

#include <sys/syscall.h>

#include <cerrno>

namespace ksms::faults {

struct ErrorName {
    const char* name;
    int number;
};
constexpr ErrorName kErrors[] = {
    {"EACCES", EACCES},   {"EAGAIN", EAGAIN},
    {"EBUSY", EBUSY},     {"ECONNABORTED", ECONNABORTED},
    {"EINTR", EINTR},     {"EIO", EIO},
    {"EMFILE", EMFILE},   {"ENFILE", ENFILE},
    {"ENOBUFS", ENOBUFS}, {"ENOLCK", ENOLCK},
    {"ENOMEM", ENOMEM},   {"ENOSPC", ENOSPC},
    {"ENOSYS", ENOSYS},   {"EOPNOTSUPP", EOPNOTSUPP},
    {"EPERM", EPERM},
};

/// What a call may fail with though nothing is wrong with what was asked: the machine is short of
/// something, or somebody forbids it. ENOENT and the like are no faults but answers.
struct Call {
    const char* name;
    long number;
    const char* errnos;
    int path;  ///< the argument that is a path; kNone
};
constexpr int kNone = -1;
constexpr Call kCalls[] = {
    // files
    {"openat", SYS_openat, "EMFILE ENFILE ENOMEM EACCES", 1},
    {"newfstatat", SYS_newfstatat, "ENOMEM EACCES", 1},
    {"fstat", SYS_fstat, "ENOMEM", kNone},
    {"statx", SYS_statx, "ENOMEM EACCES", 1},
    {"statfs", SYS_statfs, "ENOMEM EACCES", 0},
    {"fstatfs", SYS_fstatfs, "ENOMEM", kNone},
    {"faccessat", SYS_faccessat, "ENOMEM EACCES", 1},
    {"readlinkat", SYS_readlinkat, "ENOMEM EACCES", 1},
    {"getdents64", SYS_getdents64, "ENOMEM EIO", kNone},
    {"pread64", SYS_pread64, "EIO EINTR ENOMEM", kNone},
    {"pwrite64", SYS_pwrite64, "EIO ENOSPC EINTR", kNone},
    {"fsync", SYS_fsync, "EIO ENOSPC", kNone},
    {"fdatasync", SYS_fdatasync, "EIO ENOSPC", kNone},
    {"ftruncate", SYS_ftruncate, "EIO EINTR ENOSPC", kNone},
    {"fallocate", SYS_fallocate, "EIO EINTR ENOSPC", kNone},
    {"fchmod", SYS_fchmod, "EPERM EIO", kNone},
    {"fchmodat", SYS_fchmodat, "EPERM EIO", 1},
    {"fchown", SYS_fchown, "EPERM EIO", kNone},
    {"fchownat", SYS_fchownat, "EPERM EIO", 1},
    {"linkat", SYS_linkat, "ENOSPC EACCES", 1},
    {"unlinkat", SYS_unlinkat, "EBUSY EACCES EIO", 1},
    {"mkdirat", SYS_mkdirat, "ENOSPC EACCES", 1},
    {"renameat", SYS_renameat, "ENOSPC EACCES EIO", 1},
    {"renameat2", SYS_renameat2, "ENOSPC EACCES EIO", 1},
    {"flock", SYS_flock, "ENOLCK EINTR", kNone},
    {"fcntl", SYS_fcntl, "EMFILE", kNone},
    // files, pipes and sockets, which kSocketErrnos and kPipeErrnos say more about
    {"read", SYS_read, "EIO EINTR ENOMEM", kNone},
    {"readv", SYS_readv, "EIO EINTR ENOMEM", kNone},
    {"write", SYS_write, "EIO ENOSPC EINTR", kNone},
    {"writev", SYS_writev, "EIO ENOSPC EINTR", kNone},
    {"ioctl", SYS_ioctl, "ENOMEM EPERM", kNone},
    {"pipe2", SYS_pipe2, "EMFILE ENFILE", kNone},
    {"dup3", SYS_dup3, "EMFILE EBUSY", kNone},
    // memory and processes
    {"mmap", SYS_mmap, "ENOMEM", kNone},
    {"mprotect", SYS_mprotect, "ENOMEM", kNone},
    {"mremap", SYS_mremap, "ENOMEM", kNone},
    {"memfd_create", SYS_memfd_create, "EMFILE ENOMEM", 0},
    {"clone3", SYS_clone3, "EAGAIN ENOMEM", kNone},
    {"clone", SYS_clone, "EAGAIN ENOMEM", kNone},
    {"execve", SYS_execve, "ENOMEM EACCES EIO EMFILE", 0},
    {"pidfd_open", SYS_pidfd_open, "EMFILE ENOMEM", kNone},
    {"wait4", SYS_wait4, "EINTR", kNone},
    {"waitid", SYS_waitid, "EINTR", kNone},
    {"prlimit64", SYS_prlimit64, "EPERM", kNone},
    // what is given up, and what forbids it
    {"setns", SYS_setns, "ENOMEM EPERM", kNone},
    {"unshare", SYS_unshare, "ENOMEM EPERM", kNone},
    {"capget", SYS_capget, "EPERM", kNone},
    {"capset", SYS_capset, "EPERM", kNone},
    {"prctl", SYS_prctl, "EPERM", kNone},
    {"setgroups", SYS_setgroups, "EPERM ENOMEM", kNone},
    {"seccomp", SYS_seccomp, "ENOMEM EPERM", kNone},
    {"landlock_create_ruleset", SYS_landlock_create_ruleset,
     "ENOMEM EMFILE EPERM ENOSYS EOPNOTSUPP", kNone},
    {"landlock_restrict_self", SYS_landlock_restrict_self, "ENOMEM EPERM", kNone},
    // sockets
    {"socket", SYS_socket, "EMFILE ENFILE ENOBUFS ENOMEM EACCES", kNone},
    {"socketpair", SYS_socketpair, "EMFILE ENFILE ENOBUFS", kNone},
    {"bind", SYS_bind, "ENOMEM EACCES", kNone},
    {"connect", SYS_connect, "ENOBUFS EAGAIN", kNone},
    {"accept4", SYS_accept4, "EMFILE ENFILE ENOBUFS ENOMEM EINTR ECONNABORTED EPERM", kNone},
    {"getsockname", SYS_getsockname, "ENOBUFS", kNone},
    {"getsockopt", SYS_getsockopt, "ENOBUFS ENOMEM", kNone},
    {"setsockopt", SYS_setsockopt, "ENOBUFS ENOMEM EPERM", kNone},
    {"sendto", SYS_sendto, "ENOBUFS ENOMEM EINTR EPERM", kNone},
    {"sendmsg", SYS_sendmsg, "ENOBUFS ENOMEM EINTR EPERM", kNone},
    {"sendmmsg", SYS_sendmmsg, "ENOBUFS ENOMEM EINTR EPERM", kNone},
    {"recvfrom", SYS_recvfrom, "ENOBUFS ENOMEM EINTR", kNone},
    {"recvmsg", SYS_recvmsg, "ENOBUFS ENOMEM EINTR", kNone},
    {"recvmmsg", SYS_recvmmsg, "ENOBUFS ENOMEM EINTR", kNone},
    // waiting
    {"ppoll", SYS_ppoll, "EINTR ENOMEM", kNone},
    {"epoll_create1", SYS_epoll_create1, "EMFILE ENFILE ENOMEM", kNone},
    {"epoll_ctl", SYS_epoll_ctl, "ENOMEM ENOSPC", kNone},
    {"epoll_pwait", SYS_epoll_pwait, "EINTR", kNone},
    {"eventfd2", SYS_eventfd2, "EMFILE ENFILE ENOMEM", kNone},
    {"timerfd_create", SYS_timerfd_create, "EMFILE ENFILE ENOMEM", kNone},
    {"bpf", SYS_bpf, "ENOMEM EPERM EMFILE EAGAIN EINTR", kNone},
#ifdef SYS_poll  // what newer architectures have under the names above alone
    {"stat", SYS_stat, "ENOMEM EACCES", 0},
    {"lstat", SYS_lstat, "ENOMEM EACCES", 0},
    {"access", SYS_access, "ENOMEM EACCES", 0},
    {"readlink", SYS_readlink, "ENOMEM EACCES", 0},
    {"chmod", SYS_chmod, "EPERM EIO", 0},
    {"chown", SYS_chown, "EPERM EIO", 0},
    {"link", SYS_link, "ENOSPC EACCES", 0},
    {"unlink", SYS_unlink, "EBUSY EACCES EIO", 0},
    {"rmdir", SYS_rmdir, "EBUSY EACCES EIO", 0},
    {"mkdir", SYS_mkdir, "ENOSPC EACCES", 0},
    {"rename", SYS_rename, "ENOSPC EACCES EIO", 0},
    {"dup2", SYS_dup2, "EMFILE EBUSY", kNone},
    {"vfork", SYS_vfork, "EAGAIN ENOMEM", kNone},
    {"poll", SYS_poll, "EINTR ENOMEM", kNone},
    {"epoll_wait", SYS_epoll_wait, "EINTR", kNone},
#endif
};

/// Commands of bpf(2), which are calls of their own.
constexpr const char* kBpfCommands[] = {
    "MAP_CREATE",       "MAP_LOOKUP_ELEM",    "MAP_UPDATE_ELEM",  "MAP_DELETE_ELEM",
    "MAP_GET_NEXT_KEY", "PROG_LOAD",          "OBJ_PIN",          "OBJ_GET",
    "PROG_ATTACH",      "PROG_DETACH",        "PROG_TEST_RUN",    "PROG_GET_NEXT_ID",
    "MAP_GET_NEXT_ID",  "PROG_GET_FD_BY_ID",  "MAP_GET_FD_BY_ID", "OBJ_GET_INFO_BY_FD",
    "PROG_QUERY",       "RAW_TRACEPOINT",     "BTF_LOAD",         "BTF_GET_FD_BY_ID",
    "TASK_FD_QUERY",    "MAP_LOOKUP_DELETE",  "MAP_FREEZE",       "BTF_GET_NEXT_ID",
    "MAP_LOOKUP_BATCH", "MAP_LOOKUP_DELETE_", "MAP_UPDATE_BATCH", "MAP_DELETE_BATCH",
    "LINK_CREATE",      "LINK_UPDATE",        "LINK_GET_FD",      "LINK_GET_NEXT_ID",
    "ENABLE_STATS",     "ITER_CREATE",        "LINK_DETACH",      "PROG_BIND_MAP",
};

/// What read(2) and write(2) of a socket or a pipe may fail with, and fcntl(2) that locks.
constexpr const char* kSocketErrnos = "EINTR ENOMEM ENOBUFS";
constexpr const char* kPipeErrnos = "EINTR";
constexpr const char* kLockErrnos = "ENOLCK";

}  // namespace ksms::faults
