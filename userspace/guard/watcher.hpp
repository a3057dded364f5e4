// SPDX-License-Identifier: BSD-2-Clause
// A child process that does one thing: when its parent dies without a word, undo the parent's
// journal.
#pragma once

#include <sys/types.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "os/process.hpp"

namespace ksms {

class Watcher {
public:
    /// @param self  whose journal it is to undo: this process
    /// @return Code::failed where this process has more than one thread: the child would have a
    /// copy of locks that nobody opens again
    static Result<Watcher> start(const Objects& objects, const ProcessId& self);
    Watcher(Watcher&& other) noexcept;
    Watcher& operator=(Watcher&&) = delete;
    ~Watcher();  ///< lets it go, and waits until it is gone
    [[nodiscard]] bool is_alive() const;

private:
    Watcher(Fd socket, Fd process, pid_t pid);

    Fd socket_;   ///< the child's end reads EOF when this process is dead
    Fd process_;  ///< pidfd of the child
    pid_t pid_{-1};
};

}  // namespace ksms
