// SPDX-License-Identifier: BSD-2-Clause
// Another user of the machine with a network namespace of his own, in which he is root.
#pragma once

#include <sys/types.h>

#include <functional>

#include "base/fd.hpp"

namespace ksms::lab {

/// A process in a user namespace of its own that belongs to `uid`, and in a network namespace that
/// belongs to that. Killed at the end of the scope, and when the test dies.
class Stranger {
public:
    /// @param work  what it does in there, after start(); with every capability there and none
    /// here.
    ///              It runs in a forked child: nothing but system calls and its own memory
    explicit Stranger(uid_t uid, std::function<void()> work = {});
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
    ~Stranger();

    /// False where this kernel gives users no namespaces.
    [[nodiscard]] bool here() const { return here_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Lets the work begin.
    void start() const;

private:
    [[noreturn]] void live(int ready, int go) const;

    uid_t uid_;
    std::function<void()> work_;
    pid_t pid_{-1};
    bool here_{false};
    Fd go_;
};

}  // namespace ksms::lab
