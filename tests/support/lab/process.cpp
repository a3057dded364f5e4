// SPDX-License-Identifier: BSD-2-Clause
#include "lab/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "lab/thread.hpp"

namespace ksms::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    Fd read, write;
    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        read = Fd(ends[0]);
        write = Fd(ends[1]);
    }
};

Fd open_netns(const std::string& name) {
    Fd fd(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw std::runtime_error("no namespace " + name);
    return fd;
}

/// They become 3, 4, …, whatever stands there: our own are closed with exec.
void pass_on(const std::vector<int>& descriptors) {
    std::vector<int> copies;
    for (const int fd : descriptors) copies.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 100));
    for (std::size_t i = 0; i < copies.size(); ++i) ::dup2(copies[i], static_cast<int>(i) + 3);
}

[[noreturn]] void become(const Command& command, char* const* arguments, int netns) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) ::signal(number, SIG_DFL);
    for (const auto& [name, value] : command.environment) {
        if (value.empty())
            ::unsetenv(name.c_str());
        else
            ::setenv(name.c_str(), value.c_str(), 1);
    }
    if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) ::_exit(126);
    pass_on(command.descriptors);
    if (command.uid != 0 && (::setresgid(command.uid, command.uid, command.uid) != 0 ||
                             ::setresuid(command.uid, command.uid, command.uid) != 0))
        ::_exit(126);
    ::execvp(arguments[0], arguments);
    ::_exit(127);
}

/// @return false: end of file
bool drain(const Fd& fd, std::string& into) {
    std::array<char, 65536> buffer{};
    while (true) {
        const auto got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got > 0)
            into.append(buffer.data(), static_cast<std::size_t>(got));
        else
            return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
}

}  // namespace

Child::Child(const Command& command) : command_(command), start_(Clock::now()) {
    std::vector<char*> arguments;
    for (auto& argument : command_.arguments) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    const Fd netns = command_.netns.empty() ? Fd() : open_netns(command_.netns);
    Pipe in, out, err;
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) {
        ::dup2(in.read.get(), 0);
        ::dup2(out.write.get(), 1);
        ::dup2(err.write.get(), 2);
        become(command_, arguments.data(), netns.get());
    }
    process_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    input_ = std::move(in.write);
    out_ = std::move(out.read);
    err_ = std::move(err.read);
    for (const int fd : {input_.get(), out_.get(), err_.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    if (command_.input.empty()) input_.reset();
}

Child::~Child() {
    if (over_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Child::signal(int number) const {
    ::syscall(SYS_pidfd_send_signal, process_.get(), number, nullptr, 0);
}

/// Moves data until the process ends or the time is over. A grandchild may keep the pipes open: the
/// process's own end counts.
void Child::pump(milliseconds within) {
    const auto end = Clock::now() + within;
    while (!over_) {
        std::array<pollfd, 4> entries{pollfd{process_.get(), POLLIN, 0},
                                      pollfd{out_.get(), POLLIN, 0}, pollfd{err_.get(), POLLIN, 0},
                                      pollfd{input_.get(), POLLOUT, 0}};
        const auto rest = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
        ::poll(entries.data(), entries.size(), static_cast<int>(std::max<long>(0, rest)));
        if (out_ && !drain(out_, outcome_.out)) out_.reset();
        if (err_ && !drain(err_, outcome_.err)) err_.reset();
        if (input_ && entries[3].revents != 0) {
            const auto rest_of_input = command_.input.size() - written_;
            const auto sent =
                ::write(input_.get(), command_.input.data() + written_, rest_of_input);
            if (sent > 0) written_ += static_cast<std::size_t>(sent);
            if (sent < 0 || written_ == command_.input.size()) input_.reset();
        }
        if ((entries[0].revents & POLLIN) != 0) {
            int status = 0;
            ::waitpid(pid_, &status, 0);
            if (out_) drain(out_, outcome_.out);
            if (err_) drain(err_, outcome_.err);
            over_ = true;
            outcome_.exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            outcome_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
        }
        if (rest <= 0) return;
    }
}

bool Child::ended(milliseconds within) {
    pump(within);
    return over_;
}

Outcome Child::wait() {
    const auto spent = std::chrono::duration_cast<milliseconds>(Clock::now() - start_);
    if (!ended(std::max(milliseconds{0}, command_.timeout - spent))) {
        outcome_.timed_out = true;
        signal(SIGKILL);
        pump(milliseconds{5000});
    }
    return outcome_;
}

std::vector<pid_t> Child::children() const {
    std::ifstream list(fmt::format("/proc/{0}/task/{0}/children", pid_));
    std::vector<pid_t> result;
    for (pid_t child = 0; list >> child;) result.push_back(child);
    return result;
}

Outcome run(const Command& command) {
    return Child(command).wait();
}

std::string must(const Command& command) {
    auto outcome = run(command);
    if (outcome.exit == 0) return std::move(outcome.out);
    std::string line;
    for (const auto& argument : command.arguments) line += argument + ' ';
    throw std::runtime_error(fmt::format("{}(in {}): exit {}: {}{}", line, command.netns,
                                         outcome.exit, outcome.err, outcome.out));
}

std::string mount_propagation() {
    return run({.arguments = {"mountpoint", "-q", "/"}}).exit == 0 ? "private" : "unchanged";
}

void inside(const std::string& netns, const std::function<void()>& what) {
    const Fd fd = open_netns(netns);
    on_a_thread([&] {
        if (::setns(fd.get(), CLONE_NEWNET) != 0) throw std::runtime_error("setns " + netns);
        what();
    });
}

}  // namespace ksms::lab
