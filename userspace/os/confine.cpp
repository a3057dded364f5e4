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

#include "base/fd.hpp"
#include "base/group.hpp"

namespace ksms {
namespace {

#ifdef KSMS_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// What a process needs that reads and writes descriptors, waits for them and for time, and has
/// memory and a log.
constexpr std::array kOverDescriptors{
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(futex),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

constexpr std::array kNoScanNeeds{
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(syslog),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(vhangup),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(lookup_dcookie),
};

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
        // One that this architecture has not cannot be made.
        if (done != 0 && done != -EDOM) failed_ = done;
    }

    Status load() {
        if (failed_ == 0) failed_ = seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
        // Threads that run already are filtered, too.
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

/// Of an argument of the call, from 0. @param with  of SCMP_CMP_MASKED_EQ: what is under the mask
constexpr scmp_arg_cmp when(unsigned argument, scmp_compare compares, scmp_datum_t to,
                            scmp_datum_t with = 0) {
    return {argument, compares, to, with};
}

constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

/// struct landlock_ruleset_attr as it is in Linux 6.12; an older kernel wants zeros in what it does
/// not know (Documentation/userspace-api/landlock.rst has rights and versions).
struct LandlockRuleset {
    std::uint64_t files{0}, net{0}, scoped{0};
};

/// No file at all, and where the kernel can say so no signal to others.
/// @return false: this kernel has no Landlock, or was told to do without
Result<bool> close_files() {
    const auto version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    // EPERM: a filter around us that does not know it.
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
    // EINVAL is for what this kernel does not know. Without CAP_SETPCAP the bounding set stays, and
    // no_new_privs alone sees to it that executing a program gives nothing back.
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
    // What is not inheritable any more is not ambient either.
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
    for (const int call : kNoScanNeeds) filter.rule(kRefuse, call);
    for (const auto kind : kOtherNamespaces) {
        const auto flag = static_cast<scmp_datum_t>(kind);
        filter.rule(kRefuse, SCMP_SYS(unshare), {when(0, SCMP_CMP_MASKED_EQ, flag, flag)});
        filter.rule(kRefuse, SCMP_SYS(clone), {when(0, SCMP_CMP_MASKED_EQ, flag, flag)});
    }
    filter.rule(kRefuse, SCMP_SYS(setns), {when(1, SCMP_CMP_NE, CLONE_NEWNET)});
    // Its flags are in memory, which no filter reads: glibc takes clone(2) then.
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
    for (const int call : kOverDescriptors) filter.rule(SCMP_ACT_ALLOW, call);
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {when(1, SCMP_CMP_EQ, FIONBIO)});
    // F_SETOWN, F_SETSIG and O_ASYNC would send signals to whom it likes.
    for (const int command : {F_GETFD, F_SETFD, F_GETFL})
        filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {when(1, SCMP_CMP_EQ, datum(command))});
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(fcntl),
                {when(1, SCMP_CMP_EQ, datum(F_SETFL)), when(2, SCMP_CMP_MASKED_EQ, O_ASYNC, 0)});
    // Memory, but none that holds code.
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(mmap), {when(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), {when(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    // abort(3): a signal to itself, and to nobody else.
    const auto self = static_cast<scmp_datum_t>(::getpid());
    filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(tgkill), {when(0, SCMP_CMP_EQ, self)});
    if (const auto filtered = filter.load(); !filtered) missing.push_back(filtered.error().text());
    return missing;
}

}  // namespace ksms
