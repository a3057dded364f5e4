// SPDX-License-Identifier: BSD-2-Clause
// Processes of the program that runs, started as something else.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// The first descriptor that a child is given; the standard ones are its parent's.
inline constexpr int kFirstGiven = 3;

struct Child {
    pid_t pid{-1};
    Fd pidfd;
};

/// Starts /proc/self/exe with no signal blocked or ignored.
/// @param arguments  argv, the name first
/// @param given      become kFirstGiven and on; none of them is where another one has to go
Result<Child> start_again(std::vector<std::string> arguments, const std::vector<int>& given);

/// How the child behind a pidfd has ended ("exit 1", "signal 9"), which reaps it; nothing: it runs.
/// An event of Asio's says little: it uses its records again while events of the same epoll_wait(2)
/// are still to be delivered (detail/epoll_reactor.ipp), so the kernel is asked.
[[nodiscard]] std::optional<std::string> how_ended(int pidfd);

/// Sends SIGKILL to a child and waits for nothing: what is left of it is taken away by a later call
/// of this or of start_again().
void leave_behind(Child child);

/// In the child: it dies with its parent. False where that has happened already.
[[nodiscard]] bool dies_with(pid_t parent);

/// In the child: closes whatever whoever started ksmsd left open, but for the standard ones and the
/// `given` descriptors, and reads nothing from a terminal.
void keep_given(int given);

}  // namespace ksms
