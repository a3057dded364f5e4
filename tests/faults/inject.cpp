// SPDX-License-Identifier: BSD-2-Clause
// inject [--fail CALL --nth N --errno NAME [--times M]] [--report FILE] -- COMMAND…
//
// Runs COMMAND, and makes the Nth system call of a kind fail as if the kernel had refused it; M
// times (1; 0: always from then on). Without --fail nothing fails, and the report says which calls
// there were. Counted are the calls of every thread and child together, in the order of their
// arrival, from the first rt_sigaction(2) on: before that the loader is at work.
//
// The kernel asks us for each such call (seccomp_unotify(2)), which costs some microseconds a call.
// ptrace(2) costs more, counts each thread by itself, and hides what a debugger would see.
//
// The report, a JSON document a line: {"call":"openat","count":12,"errnos":["EMFILE",…]}, and
// {"failed":"openat /proc/1/ns/net","pid":4711} for each that failed.
// Exit status: the command's, as a shell says it; 125 where it could not be run.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "which AUDIT_ARCH_ is it?"
#endif

constexpr int kCannotRun = 125;  // as env(1)
constexpr int kPatience = 30;    // s that a command may run
constexpr int kLastWords = 5;    // s more for its children

struct ErrorName {
    const char* name;
    int number;
};
constexpr ErrorName kErrors[] = {
    {"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"EBUSY", EBUSY},   {"EINTR", EINTR},
    {"EIO", EIO},       {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"ENOBUFS", ENOBUFS},
    {"ENOLCK", ENOLCK}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EPERM", EPERM},
};

/// What a call may fail with though nothing is wrong with what was asked: the machine is short of
/// something, or somebody forbids it. ENOENT and the like are no faults but answers.
struct Call {
    const char* name;
    long number;
    const char* errnos;
    int path;  ///< the argument that is a path; -1: none
};
constexpr Call kCalls[] = {
    {"openat", SYS_openat, "EMFILE ENFILE ENOMEM EACCES", 1},
    {"newfstatat", SYS_newfstatat, "ENOMEM EACCES", 1},
    {"statfs", SYS_statfs, "ENOMEM EACCES", 0},
    {"fstatfs", SYS_fstatfs, "ENOMEM", -1},
    {"faccessat", SYS_faccessat, "ENOMEM EACCES", 1},
    {"readlinkat", SYS_readlinkat, "ENOMEM EACCES", 1},
    {"getdents64", SYS_getdents64, "ENOMEM EIO", -1},
    {"read", SYS_read, "EIO EINTR ENOMEM", -1},
    {"write", SYS_write, "EIO ENOSPC EINTR", -1},
    {"fsync", SYS_fsync, "EIO ENOSPC", -1},
    {"linkat", SYS_linkat, "ENOSPC EACCES", 1},
    {"unlinkat", SYS_unlinkat, "EBUSY EACCES EIO", 1},
    {"mkdirat", SYS_mkdirat, "ENOSPC EACCES", 1},
    {"flock", SYS_flock, "ENOLCK EINTR", -1},
    {"fcntl", SYS_fcntl, "EMFILE", -1},
    {"ioctl", SYS_ioctl, "ENOMEM EPERM", -1},
    {"mmap", SYS_mmap, "ENOMEM", -1},
    {"clone3", SYS_clone3, "EAGAIN ENOMEM", -1},
    {"clone", SYS_clone, "EAGAIN ENOMEM", -1},
    {"setns", SYS_setns, "ENOMEM EPERM", -1},
    {"socket", SYS_socket, "EMFILE ENFILE ENOBUFS ENOMEM EACCES", -1},
    {"socketpair", SYS_socketpair, "EMFILE ENFILE ENOBUFS", -1},
    {"bind", SYS_bind, "ENOMEM EACCES", -1},
    {"connect", SYS_connect, "ENOBUFS EAGAIN", -1},
    {"getsockopt", SYS_getsockopt, "ENOBUFS ENOMEM", -1},
    {"setsockopt", SYS_setsockopt, "ENOBUFS ENOMEM EPERM", -1},
    {"sendto", SYS_sendto, "ENOBUFS ENOMEM EINTR EPERM", -1},
    {"sendmsg", SYS_sendmsg, "ENOBUFS ENOMEM EINTR EPERM", -1},
    {"sendmmsg", SYS_sendmmsg, "ENOBUFS ENOMEM EINTR EPERM", -1},
    {"recvfrom", SYS_recvfrom, "ENOBUFS ENOMEM EINTR", -1},
    {"recvmsg", SYS_recvmsg, "ENOBUFS ENOMEM EINTR", -1},
    {"ppoll", SYS_ppoll, "EINTR ENOMEM", -1},
    {"epoll_create1", SYS_epoll_create1, "EMFILE ENOMEM", -1},
    {"epoll_ctl", SYS_epoll_ctl, "ENOMEM ENOSPC", -1},
    {"epoll_pwait", SYS_epoll_pwait, "EINTR", -1},
    {"pidfd_open", SYS_pidfd_open, "EMFILE ENOMEM", -1},
    {"capget", SYS_capget, "EPERM", -1},
    {"bpf", SYS_bpf, "ENOMEM EPERM EMFILE EAGAIN EINTR", -1},
#ifdef SYS_poll  // what newer architectures have under the names above alone
    {"stat", SYS_stat, "ENOMEM EACCES", 0},
    {"access", SYS_access, "ENOMEM EACCES", 0},
    {"readlink", SYS_readlink, "ENOMEM EACCES", 0},
    {"unlink", SYS_unlink, "EBUSY EACCES EIO", 0},
    {"rmdir", SYS_rmdir, "EBUSY EACCES EIO", 0},
    {"mkdir", SYS_mkdir, "ENOSPC EACCES", 0},
    {"rename", SYS_rename, "ENOSPC EACCES", 0},
    {"poll", SYS_poll, "EINTR ENOMEM", -1},
    {"epoll_wait", SYS_epoll_wait, "EINTR", -1},
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

struct Options {
    std::string fail, report;
    unsigned long nth{1}, times{1};
    int error{0};
    char** command{nullptr};
};

[[noreturn]] void refuse(const std::string& why) {
    std::fprintf(stderr, "inject: %s\n", why.c_str());
    std::exit(kCannotRun);
}

unsigned long number_of(std::string_view text) {
    unsigned long number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        refuse(std::string(text) + " is no number");
    return number;
}

int error_of(std::string_view name) {
    for (const auto& each : kErrors)
        if (name == each.name) return each.number;
    refuse("there is no errno " + std::string(name));
}

Options read_options(int argc, char** argv) {
    Options options;
    int at = 1;
    for (; at + 1 < argc && std::string_view(argv[at]) != "--"; at += 2) {
        const std::string_view name = argv[at], value = argv[at + 1];
        if (name == "--fail")
            options.fail = value;
        else if (name == "--nth")
            options.nth = number_of(value);
        else if (name == "--times")
            options.times = number_of(value);
        else if (name == "--errno")
            options.error = error_of(value);
        else if (name == "--report")
            options.report = value;
        else
            refuse("there is no option " + std::string(name));
    }
    if (at + 1 >= argc) refuse("there is no command behind --");
    if (options.fail.empty() != (options.error == 0)) refuse("--fail and --errno go together");
    options.command = argv + at + 1;
    return options;
}

/// Every listed call asks us, all others go on.
std::vector<sock_filter> filter() {
    std::vector<sock_filter> code{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
    const auto ask = [&code](long number) {
        code.push_back(
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
        code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    };
    for (const auto& call : kCalls) ask(call.number);
    ask(SYS_rt_sigaction);
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return code;
}

/// In the child, whose table of descriptors is ours until it has the listener: from the filter on
/// each of its calls waits for an answer.
[[noreturn]] void become(const Options& options, std::atomic<int>& listener) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto code = filter();
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    listener = static_cast<int>(syscall(
        SYS_seccomp, SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program));
    if (listener < 0 || unshare(CLONE_FILES) != 0) _exit(kCannotRun);
    execvp(options.command[0], options.command);
    std::perror(options.command[0]);
    _exit(kCannotRun);
}

std::string text_at(pid_t pid, std::uint64_t address) {
    std::array<char, 256> text{};
    // Not across a page, the next one may not be there.
    const auto size = std::min<std::size_t>(text.size() - 1, 4096 - address % 4096);
    iovec here{text.data(), size};
    iovec there{reinterpret_cast<void*>(address), size};
    process_vm_readv(pid, &here, 1, &there, 1, 0);
    return text.data();
}

class Supervisor {
public:
    Supervisor(const Options& options, int listener) : options_(options), listener_(listener) {}

    /// Until the last process with the filter is gone.
    void run(pid_t child) {
        for (int waited = 0; waited < kPatience + kLastWords;) {
            pollfd ready{listener_, POLLIN, 0};
            const int count = poll(&ready, 1, 1000);
            if (count == 0 && ++waited == kPatience) kill(child, SIGKILL);
            if (count == 0) continue;
            if ((ready.revents & POLLIN) == 0) return;
            answer();
        }
    }

    void write_report() const {
        if (options_.report.empty()) return;
        std::FILE* file = std::fopen(options_.report.c_str(), "we");
        if (file == nullptr) refuse("cannot write " + options_.report);
        for (const auto& [name, counted] : counts_) {
            std::fprintf(file, "{\"call\":\"%s\",\"count\":%lu,\"errnos\":[\"", name.c_str(),
                         counted.count);
            for (const char* at = counted.errnos; *at != '\0'; ++at)
                *at == ' ' ? std::fputs("\",\"", file) : std::fputc(*at, file);
            std::fputs("\"]}\n", file);
        }
        for (const auto& line : failed_) std::fprintf(file, "%s\n", line.c_str());
        std::fclose(file);
    }

private:
    struct Counted {
        unsigned long count{0};
        const char* errnos{nullptr};
    };

    void answer() {
        seccomp_notif asked{};
        if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return;  // killed meanwhile
        seccomp_notif_resp reply{};
        reply.id = asked.id;
        if (shall_fail(asked))
            reply.error = -options_.error;
        else
            reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &reply);
    }

    bool shall_fail(const seccomp_notif& asked) {
        if (asked.data.nr == SYS_rt_sigaction) started_ = true;
        if (!started_) return false;
        for (const auto& call : kCalls)
            if (call.number == asked.data.nr) return count(call, asked);
        return false;
    }

    bool count(const Call& call, const seccomp_notif& asked) {
        std::string name = call.name;
        if (call.number == SYS_bpf && asked.data.args[0] < std::size(kBpfCommands))
            name += std::string(".") + kBpfCommands[asked.data.args[0]];
        auto& counted = counts_[name];
        counted.errnos = call.errnos;
        const auto number = ++counted.count;
        if (name != options_.fail || number < options_.nth ||
            (options_.times != 0 && number >= options_.nth + options_.times))
            return false;
        if (call.path >= 0)
            name += " " + text_at(static_cast<pid_t>(asked.pid), asked.data.args[call.path]);
        failed_.push_back("{\"failed\":\"" + name + "\",\"pid\":" + std::to_string(asked.pid) +
                          "}");
        return true;
    }

    const Options& options_;
    int listener_;
    bool started_{false};
    std::map<std::string, Counted> counts_;
    std::vector<std::string> failed_;
};

}  // namespace

int main(int argc, char** argv) {
    const auto options = read_options(argc, argv);
    auto* shared = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) refuse("no memory");
    auto& listener = *new (shared) std::atomic<int>(0);
    clone_args how{};
    how.flags = CLONE_FILES;
    how.exit_signal = SIGCHLD;
    const auto child = static_cast<pid_t>(syscall(SYS_clone3, &how, sizeof how));
    if (child < 0) refuse("cannot start a process");
    if (child == 0) become(options, listener);
    while (listener == 0 && kill(child, 0) == 0) sched_yield();
    if (listener <= 0) refuse("the kernel has no seccomp notifications (Linux 5.19)");
    Supervisor supervisor(options, listener);
    supervisor.run(child);
    int status = 0;
    waitpid(child, &status, 0);
    supervisor.write_report();
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
