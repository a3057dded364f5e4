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
#include <sys/epoll.h>
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

#include "calls.hpp"

namespace {

using namespace ksms::faults;

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
constexpr std::size_t kMostTold = 1000;

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

/// Where /proc/PID/fd/N leads, and how it was opened.
struct Descriptor {
    std::string link;
    bool waits{true};
};

Descriptor descriptor_of(pid_t pid, std::uint64_t number) {
    Descriptor found;
    const auto base = "/proc/" + std::to_string(pid);
    const auto name = std::to_string(static_cast<int>(number));
    std::array<char, 256> text{};
    const auto size = readlink((base + "/fd/" + name).c_str(), text.data(), text.size());
    if (size > 0) found.link.assign(text.data(), static_cast<std::size_t>(size));
    if (std::FILE* file = std::fopen((base + "/fdinfo/" + name).c_str(), "re")) {
        unsigned flags = 0;
        while (std::fgets(text.data(), text.size(), file) != nullptr)
            if (std::sscanf(text.data(), "flags: %o", &flags) == 1) break;
        std::fclose(file);
        found.waits = (flags & O_NONBLOCK) == 0;
    }
    return found;
}

/// A call as it is counted, what it may fail with, and what it is about.
struct What {
    std::string name;
    const char* errnos;
    std::string on;
};

/// Nothing for one that cannot fail for want of anything.
std::optional<What> what_is(const Call& call, const seccomp_notif& asked) {
    const auto& arguments = asked.data.args;
    const auto pid = static_cast<pid_t>(asked.pid);
    What what{call.name, call.errnos, {}};
    switch (call.number) {
        case SYS_bpf:
            if (arguments[0] < std::size(kBpfCommands))
                what.name += std::string(".") + kBpfCommands[arguments[0]];
            break;
        case SYS_fcntl:
            if (arguments[1] == F_SETLK || arguments[1] == F_OFD_SETLK)
                what = {"fcntl.SETLK", kLockErrnos, descriptor_of(pid, arguments[0]).link};
            else if (arguments[1] != F_DUPFD && arguments[1] != F_DUPFD_CLOEXEC)
                return std::nullopt;
            break;
        case SYS_ioctl:
            if (arguments[1] == FIONBIO) return std::nullopt;
            break;
        case SYS_epoll_ctl:
            if (arguments[1] != EPOLL_CTL_ADD) return std::nullopt;
            break;
        case SYS_wait4:
            if ((arguments[2] & WNOHANG) != 0) return std::nullopt;
            break;
        case SYS_waitid:
            if ((arguments[3] & WNOHANG) != 0) return std::nullopt;
            break;
        case SYS_read:
        case SYS_readv:
        case SYS_write:
        case SYS_writev: {
            const auto of = descriptor_of(pid, arguments[0]);
            what.on = of.link;
            // A standard stream may be anything; the one that it is here says nothing.
            if (arguments[0] <= STDERR_FILENO) break;
            if (of.link == "anon_inode:[eventfd]" || of.link == "anon_inode:[timerfd]")
                return std::nullopt;
            if (of.link.starts_with("socket:")) {
                what.name += ".socket";
                what.errnos = kSocketErrnos;
            } else if (of.link.starts_with("pipe:")) {
                if (!of.waits) return std::nullopt;
                what.name += ".pipe";
                what.errnos = kPipeErrnos;
            }
            break;
        }
        default: break;
    }
    if (call.path != kNone) what.on = text_at(pid, arguments[call.path]);
    return what;
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
        const auto what = what_is(call, asked);
        if (!what) return false;
        auto& counted = counts_[what->name];
        counted.errnos = what->errnos;
        const auto number = ++counted.count;
        if (what->name != options_.fail || number < options_.nth ||
            (options_.times != 0 && number >= options_.nth + options_.times))
            return false;
        if (failed_.size() < kMostTold)
            failed_.push_back("{\"failed\":\"" + what->name + " " + what->on +
                              "\",\"pid\":" + std::to_string(asked.pid) + "}");
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
