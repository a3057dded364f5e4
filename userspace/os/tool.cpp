// SPDX-License-Identifier: BSD-2-Clause
#include "os/tool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/clock.hpp"
#include "base/fd.hpp"

namespace ksms {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMost = 64 << 20;  // bytes of output

constexpr std::array<const char*, 4> kDirectories{"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

/// Starts a child: no input, its output into a pipe, default signals.
class Start {
public:
    explicit Start(int output) {
        posix_spawn_file_actions_init(&files_);
        posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO);
        posix_spawnattr_init(&attributes_);
        sigset_t signals;
        sigfillset(&signals);
        posix_spawnattr_setsigdefault(&attributes_, &signals);
        // A process group of its own, so that Ctrl-C does not reach it.
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    Start(const Start&) = delete;
    Start& operator=(const Start&) = delete;
    ~Start() {
        posix_spawn_file_actions_destroy(&files_);
        posix_spawnattr_destroy(&attributes_);
    }
    /// @return 0 or an errno
    int run(pid_t& pid, const std::string& program, const std::vector<std::string>& arguments) {
        std::vector<char*> words;
        for (const auto& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
        words.push_back(nullptr);
        // A fixed environment: the caller's could set libraries, plugins or another PATH.
        std::string language = "LC_ALL=C", path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
        std::array<char*, 3> environment{language.data(), path.data(), nullptr};
        return posix_spawn(&pid, program.c_str(), &files_, &attributes_, words.data(),
                           environment.data());
    }

private:
    posix_spawn_file_actions_t files_;
    posix_spawnattr_t attributes_;
};

/// Reads to the end of the pipe. @return false after kPatience or kMost
bool read_all(const Fd& pipe, std::string& text) {
    const auto until = monotonic() + kPatience;
    while (true) {
        const auto now = monotonic();
        if (now >= until || text.size() > kMost) return false;
        pollfd ready{pipe.get(), POLLIN, 0};
        if (poll(&ready, 1, poll_time(until - now)) <= 0) continue;
        std::array<char, 16384> buffer;
        const auto got = read(pipe.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return true;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Status run_here(const std::vector<std::string>& arguments, std::string& text) {
    const auto program = find_tool(arguments[0]);
    if (program.empty())
        return fail(Code::not_found, fmt::format("{} is not installed", arguments[0]));
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    pid_t pid = -1;
    const int err = Start(writer.get()).run(pid, program, arguments);
    if (err != 0) return fail_errno(err, "run " + program);
    writer.reset();
    const bool ended = read_all(reader, text);
    if (!ended) kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended) return fail(Code::failed, fmt::format("{} does not end", program));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(Code::failed, fmt::format("{} failed", fmt::join(arguments, " ")));
}

}  // namespace

std::string find_tool(std::string_view name) {
    for (const auto* directory : kDirectories) {
        auto path = fmt::format("{}/{}", directory, name);
        if (access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

Result<std::string> run_tool(const Netns& netns, const std::vector<std::string>& arguments) {
    std::string text;
    KSMS_CHECK(in_netns(netns, [&] { return run_here(arguments, text); }));
    return text;
}

}  // namespace ksms
