// SPDX-License-Identifier: BSD-2-Clause
// Users and a group `ksms` that only processes with a view of their own know: nothing is added to
// the machine.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "lab/lab.hpp"

namespace ksms::lab {

/// Who asks.
struct Client {
    uid_t uid{0};
    gid_t gid{0};
    std::vector<gid_t> groups{};  ///< supplementary ones
};

inline constexpr gid_t kKsmsGroup = 64100;
// Members by their processes' groups, one by his own group, one by the database alone; a stranger.
inline const Client kAlice{64101, 64101, {kKsmsGroup}};
inline const Client kBob{64102, 64102, {64109, kKsmsGroup}};
inline const Client kPaul{64103, kKsmsGroup, {}};
inline const Client kCarol{64104, 64104, {}};
inline const Client kStranger{64105, 64105, {64109}};

/// Lines of a shell that put another /etc/group and /etc/passwd in front of the machine's: with
/// users ksmst-alice, …-bob, …-paul and …-carol, and a group ksms, unless it is to be missing. The
/// files are in the lab's directory, which is made open to all.
std::string own_users(const Lab& lab, bool group = true);

/// Runs the function as somebody else, in a thread of its own: what it opens is his.
void as_client(const Client& client, const std::function<void()>& what);

}  // namespace ksms::lab
