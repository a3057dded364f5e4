// SPDX-License-Identifier: BSD-2-Clause
// Network namespaces: found by the names people use, entered only by a thread made for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

struct NetnsSearch;

/// An open network namespace. The descriptor keeps it alive.
class Netns {
public:
    /// A NETNS of the command line: a name of `ip netns`, "pid:N", a path that begins with '/', or
    /// "host".
    /// @return Code::usage for a name that is none ("../../etc"), Code::not_found where there is no
    /// such
    ///         namespace, with the nearest name as the hint
    static Result<Netns> open(std::string_view spec);
    /// Where this process stands.
    static Result<Netns> current();
    /// @param path  an nsfs file; for anything else the error is that of a file that is not there:
    ///              who asks may not be allowed to know which
    /// @param name  what people shall read
    static Result<Netns> open_path(const std::string& path, const std::string& name);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    /// What BPF programs see as net->ns.inum; used again after the namespace is gone.
    [[nodiscard]] std::uint32_t inode() const { return inode_; }
    /// SO_NETNS_COOKIE (5.14): never used again until the next boot. 0: we may not enter it.
    [[nodiscard]] std::uint64_t cookie() const { return cookie_; }
    /// The user whose it is: who made the user namespace that owns it, and is root in both. None
    /// where that is root of this machine or of the container that we run in, or who calls.
    [[nodiscard]] Result<std::optional<uid_t>> stranger() const;
    /// Is it a name below /run/netns? Only root gives one.
    [[nodiscard]] bool has_name() const;
    [[nodiscard]] Result<Netns> duplicate() const;
    /// Does its name still lead to it? Open descriptors keep a deleted namespace alive. False only
    /// where it is known not to.
    [[nodiscard]] bool is_named_still() const;

private:
    friend NetnsSearch;
    /// Without the cookie.
    static Result<Netns> open_unread(const std::string& path, const std::string& name);

    Fd fd_;
    std::string name_;
    std::uint32_t inode_{0};
    std::uint64_t cookie_{0};
};

/// Every namespace that can be named: /run/netns, the machine's own ("host", that of PID 1), and
/// those that only a process is in ("pid:N"); each once, the first name in that order. Without
/// those that we may not look at; an error where the list might be short for any other reason.
Result<std::vector<Netns>> all_netns();

/// The namespace with this inode and cookie, wherever it can be found.
/// @return Code::not_found only if it is known to be gone; another code where not every place could
/// be looked at
Result<Netns> find_netns(std::uint32_t inode, std::uint64_t cookie);

/// Runs `work` in a thread that has entered `netns`; this process's own namespace never changes.
/// The thread is gone when the call returns. Needs CAP_SYS_ADMIN.
Status in_netns(const Netns& netns, const std::function<Status()>& work);

/// A socket that belongs to `netns`; it stays there whoever uses it.
Result<Fd> socket_in(const Netns& netns, int family, int type, int protocol);

/// A shared or exclusive flock(2) on the namespace's own inode: dies with its holder, needs no
/// file.
class NetnsLock {
public:
    NetnsLock() = default;
    static Result<NetnsLock> shared(const Netns& netns);
    /// Gives the shared lock up and tries to be the only holder; false: somebody else holds it too.
    /// The lock is gone either way when this object is.
    Result<bool> try_exclusive();

private:
    Fd fd_;
};

}  // namespace ksms
