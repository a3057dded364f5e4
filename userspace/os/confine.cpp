// SPDX-License-Identifier: BSD-2-Clause
// Sources: capabilities(7), seccomp(2), landlock(7), seccomp_rule_add(3).
#include "os/confine.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/group.hpp"

namespace ksms {
namespace {

#ifdef KSMS_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// System calls of a process that only uses its descriptors, timers and memory.
constexpr std::string_view kOverDescriptors =
    "read readv write writev recvfrom recvmsg sendto sendmsg shutdown getsockopt close fstat "
    "lseek poll ppoll epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 pipe2 "
    "timerfd_create timerfd_settime clock_gettime clock_getres clock_nanosleep nanosleep "
    "gettimeofday time futex brk munmap mremap madvise getrandom getpid gettid sched_yield "
    "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall exit exit_group";

constexpr std::string_view kNoScanNeeds =
    "mount umount2 pivot_root chroot move_mount open_tree fsopen fsmount fsconfig fspick "
    "mount_setattr init_module finit_module delete_module kexec_load kexec_file_load reboot "
    "swapon swapoff settimeofday clock_settime clock_adjtime adjtimex ptrace process_vm_readv "
    "process_vm_writev pidfd_getfd add_key request_key keyctl acct quotactl syslog sethostname "
    "setdomainname iopl ioperm open_by_handle_at userfaultfd io_uring_setup mknod mknodat vhangup "
    "fanotify_init lookup_dcookie";

/// All but CLONE_NEWNET.
constexpr std::array kOtherNamespaces{
    CLONE_NEWNS,
    CLONE_NEWCGROUP,
    CLONE_NEWUTS,
    CLONE_NEWIPC,
    CLONE_NEWUSER,
    CLONE_NEWPID,
    0x00000080 /* CLONE_NEWTIME */,
};

class SyscallFilter {
public:
    explicit SyscallFilter(std::uint32_t otherwise)
        : context_(seccomp_init(otherwise), &seccomp_release) {
        if (!context_) failed_ = -ENOMEM;
    }

    void rule(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> arguments = {}) {
        if (failed_ != 0) return;
        const int done = seccomp_rule_add_array(
            context_.get(), action, call, static_cast<unsigned>(arguments.size()),
            arguments.size() == 0 ? nullptr : std::data(arguments));
        // EDOM: this architecture does not have the call.
        if (done != 0 && done != -EDOM) failed_ = done;
    }

    /// @param calls  names, separated by spaces
    void rules(std::uint32_t action, std::string_view calls) {
        for (const auto word : std::views::split(calls, ' ')) {
            const int call =
                seccomp_syscall_resolve_name(std::string(word.begin(), word.end()).c_str());
            if (call == __NR_SCMP_ERROR) failed_ = -EINVAL;
            rule(action, call);
        }
    }

    Status load() {
        if (failed_ == 0) failed_ = seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
        // Applies the filter to running threads too.
        if (failed_ == 0) failed_ = seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1);
        if (failed_ == 0) failed_ = seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (failed_ == 0) failed_ = seccomp_load(context_.get());
        if (failed_ != 0) return fail_errno(-failed_, "filter system calls (seccomp)");
        return {};
    }

private:
    std::unique_ptr<void, decltype(&seccomp_release)> context_;
    int failed_{0};
};

constexpr scmp_datum_t datum(int value) {
    return static_cast<scmp_datum_t>(value);
}

/// Condition on an argument of the call. @param argument  from 0 @param with  for
/// SCMP_CMP_MASKED_EQ: the value of the masked bits
constexpr scmp_arg_cmp when(unsigned argument, scmp_compare compares, scmp_datum_t to,
                            scmp_datum_t with = 0) {
    return {argument, compares, to, with};
}

constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

/// struct landlock_ruleset_attr of Linux 6.12. An older kernel requires zeros in members that it
/// does not know (Documentation/userspace-api/landlock.rst lists rights and versions).
struct LandlockRuleset {
    std::uint64_t files{0}, net{0}, scoped{0};
};

/// Denies access to all files and, if the kernel supports it, signals to other processes.
/// @return false if the kernel has no Landlock or it is disabled
Result<bool> close_files() {
    const auto version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    // EPERM: an outer seccomp filter does not know the call.
    if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM)) return false;
    if (version < 0) return fail_errno(errno, "ask for Landlock");
    LandlockRuleset all;
    const auto has = [version](int least, std::uint64_t rights) {
        return version >= least ? rights : 0;
    };
    constexpr std::uint64_t of_first = 0x1fff, refer = 0x2000, truncate = 0x4000, ioctl = 0x8000;
    all.files = of_first | has(2, refer) | has(3, truncate) | has(5, ioctl);
    constexpr std::uint64_t bind_tcp = 1, connect_tcp = 2;
    all.net = has(4, bind_tcp | connect_tcp);
    constexpr std::uint64_t abstract_sockets = 1, signals = 2;
    all.scoped = has(6, abstract_sockets | signals);
    const Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0)));
    if (!ruleset) return fail_errno(errno, "make a Landlock ruleset");
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return fail_errno(errno, "restrict itself by Landlock");
    return true;
}

}  // namespace

Status keep_capabilities(std::span<const int> kept) {
    const auto is_kept = [kept](int capability) {
        return std::ranges::find(kept, capability) != kept.end();
    };
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "no_new_privs");
    // EINVAL ends the list of known capabilities. Without CAP_SETPCAP the bounding set stays;
    // no_new_privs alone then prevents that execve(2) gives capabilities back.
    for (int capability = 0;; ++capability) {
        if (::prctl(PR_CAPBSET_READ, capability) < 0 && errno == EINVAL) break;
        if (!is_kept(capability) && ::prctl(PR_CAPBSET_DROP, capability) != 0 && errno != EPERM)
            return fail_errno(errno, "give up capabilities");
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0)
        return fail_errno(errno, "ask for capabilities");
    for (int word = 0; word < 2; ++word) {
        std::uint32_t mask = 0;
        for (const int capability : kept)
            if (capability / 32 == word) mask |= 1U << (capability % 32);
        auto& set = sets.at(static_cast<std::size_t>(word));
        set.permitted &= mask;
        set.effective &= mask;
        set.inheritable &= mask;
    }
    // This also drops the ambient capabilities, which must be inheritable.
    if (::syscall(SYS_capset, &header, sets.data()) != 0)
        return fail_errno(errno, "give up capabilities");
    return {};
}

Status join_group(const std::string& name) {
    KSMS_TRY(const auto group, find_group(name));
    if (!group) return {};
    const gid_t wanted = *group;
    const int count = ::getgroups(0, nullptr);
    if (count < 0) return fail_errno(errno, "ask for groups");
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgroups(count, groups.data()) < 0) return fail_errno(errno, "ask for groups");
    if (::getegid() == wanted || std::ranges::find(groups, wanted) != groups.end()) return {};
    groups.push_back(wanted);
    if (::setgroups(groups.size(), groups.data()) != 0 && errno != EPERM)
        return fail_errno(errno, "join the group " + name);
    return {};
}

Status refuse_what_no_scan_needs() {
    if (kSanitized) return {};
    SyscallFilter filter(SCMP_ACT_ALLOW);
    filter.rules(kRefuse, kNoScanNeeds);
    for (const auto kind : kOtherNamespaces) {
        const auto flag = static_cast<scmp_datum_t>(kind);
        filter.rule(kRefuse, SCMP_SYS(unshare), {when(0, SCMP_CMP_MASKED_EQ, flag, flag)});
        filter.rule(kRefuse, SCMP_SYS(clone), {when(0, SCMP_CMP_MASKED_EQ, flag, flag)});
    }
    filter.rule(kRefuse, SCMP_SYS(setns), {when(1, SCMP_CMP_NE, CLONE_NEWNET)});
    // Its flags are in memory, which a filter cannot read. glibc falls back to clone(2).
    filter.rule(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
    return filter.load();
}

Result<std::vector<std::string>> confine_to_descriptors() {
    std::vector<std::string> missing;
    if (::prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(errno, "forbid core dumps");
    KSMS_CHECK(keep_capabilities({}));
    if (kSanitized) return missing;
    KSMS_TRY(const bool files_closed, close_files());
    if (!files_closed) missing.emplace_back("Landlock");
    SyscallFilter filter(kRefuse);
    filter.rules(SCMP_ACT_ALLOW, kOverDescriptors);
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {when(1, SCMP_CMP_EQ, FIONBIO)});
    // F_SETOWN, F_SETSIG and O_ASYNC could send signals to other processes.
    for (const int command : {F_GETFD, F_SETFD, F_GETFL})
        filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {when(1, SCMP_CMP_EQ, datum(command))});
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(fcntl),
                {when(1, SCMP_CMP_EQ, datum(F_SETFL)), when(2, SCMP_CMP_MASKED_EQ, O_ASYNC, 0)});
    // Memory that is not executable.
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(mmap), {when(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), {when(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    // abort(3): signals to itself only.
    const auto self = static_cast<scmp_datum_t>(::getpid());
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(tgkill), {when(0, SCMP_CMP_EQ, self)});
    if (const auto filtered = filter.load(); !filtered) missing.push_back(filtered.error().text());
    return missing;
}

}  // namespace ksms
