// SPDX-License-Identifier: BSD-2-Clause
// Programs started as a user starts them: arguments, input, output, exit status, signals.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {

struct Command {
    std::vector<std::string> arguments{};  ///< the program first, looked up in PATH
    std::string netns{};                   ///< name of `ip netns`; "": the caller's
    std::string input{};
    std::map<std::string, std::string> environment{};  ///< added; an empty value removes
    milliseconds timeout{2 * kPatience};               ///< killed then
    uid_t uid{0};                                      ///< 0: stays who it is
    std::vector<int> descriptors{};                    ///< passed on as 3, 4, …
};

struct Outcome {
    int exit{-1};  ///< as a shell says it: 128 + N for signal N
    bool timed_out{false};
    std::string out, err;
    double seconds{0};
};

/// A program that runs. Killed and reaped at the end of the scope.
class Child {
public:
    explicit Child(const Command& command);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// To the process alone, never to its group.
    void signal(int number) const;
    /// @return true: it ended within this time
    bool ended(milliseconds within);
    /// Waits for the end and takes the output.
    Outcome wait();
    /// What it wrote to standard output so far (read while waiting).
    [[nodiscard]] const std::string& out() const { return outcome_.out; }
    [[nodiscard]] const std::string& err() const { return outcome_.err; }
    /// Its children now, from /proc.
    [[nodiscard]] std::vector<pid_t> children() const;

private:
    void pump(milliseconds within);

    Command command_;
    pid_t pid_{-1};
    Fd process_, input_, out_, err_;
    std::size_t written_{0};
    bool over_{false};
    Outcome outcome_;
    std::chrono::steady_clock::time_point start_;
};

Outcome run(const Command& command);
/// Runs it and throws std::runtime_error with its standard error unless it succeeds.
std::string must(const Command& command);

/// What `unshare --mount --propagation` takes here: in a chroot / is no mount point that could be
/// made private.
std::string mount_propagation();

/// Runs the function inside the namespace, in a thread of its own.
void inside(const std::string& netns, const std::function<void()>& what);

}  // namespace ksms::lab
