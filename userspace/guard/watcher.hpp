// SPDX-License-Identifier: BSD-2-Clause
// A child process that undoes the journal of its parent if the parent is killed.
#pragma once

#include <sys/types.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "os/process.hpp"

namespace ksms {

class Watcher {
public:
    /// @param self  this process, whose journal it undoes
    /// @return Code::failed if this process has more than one thread: the child could inherit
    /// locked mutexes
    static Result<Watcher> start(const Objects& objects, const ProcessId& self);
    Watcher(Watcher&& other) noexcept;
    Watcher& operator=(Watcher&&) = delete;
    ~Watcher();  ///< ends the child and waits for it
    [[nodiscard]] bool is_alive() const;

private:
    Watcher(Fd socket, Fd process, pid_t pid);

    Fd socket_;   ///< the child reads EOF when this process is dead
    Fd process_;  ///< pidfd of the child
    pid_t pid_{-1};
};

}  // namespace ksms
