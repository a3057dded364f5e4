// SPDX-License-Identifier: BSD-2-Clause
// Child processes that run this program in another role.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// The first descriptor that a child gets. It inherits the standard ones.
inline constexpr int kFirstGiven = 3;

struct Child {
    pid_t pid{-1};
    Fd pidfd;
};

/// Starts /proc/self/exe with no signal blocked or ignored.
/// @param arguments  argv, the name first
/// @param given      become kFirstGiven, kFirstGiven + 1, …; their own numbers must be higher
Result<Child> start_again(std::vector<std::string> arguments, const std::vector<int>& given);

/// Reaps the child behind a pidfd.
/// @return how it ended ("exit 1", "signal 9"); nothing if it runs. An event of Asio can be
/// spurious, because Asio reuses its records while events of the same epoll_wait(2) are pending
/// (detail/epoll_reactor.ipp), so this asks the kernel.
[[nodiscard]] std::optional<std::string> how_ended(int pidfd);

/// Sends SIGKILL to a child and does not wait. A later call of this function or of start_again()
/// reaps it.
void leave_behind(Child child);

/// In the child: lets it die with its parent. @return false if the parent is dead already
[[nodiscard]] bool dies_with(pid_t parent);

/// In the child: closes all inherited descriptors except the standard ones and the `given` ones,
/// and detaches the standard ones from a terminal.
void keep_given(int given);

}  // namespace ksms
