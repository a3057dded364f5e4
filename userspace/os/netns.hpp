// SPDX-License-Identifier: BSD-2-Clause
// Network namespaces: found by name, entered only by a temporary thread.
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
    /// @return Code::usage for an invalid name ("../../etc"), Code::not_found if there is no such
    /// namespace, with the nearest name as the hint
    static Result<Netns> open(std::string_view spec);
    /// @param path  an nsfs file; for any other file the error is the same as for a missing file,
    ///              because the caller may not be allowed to know
    /// @param name  for messages
    static Result<Netns> open_path(const std::string& path, const std::string& name);

    /// The namespace of a socket (SIOCGSKNS). Needs CAP_NET_ADMIN over it. Without the cookie.
    static Result<Netns> of_socket(int socket, const std::string& name);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    /// net->ns.inum in BPF programs. Reused after the namespace is deleted.
    [[nodiscard]] std::uint32_t inode() const { return inode_; }
    /// SO_NETNS_COOKIE (5.14): unique until the next boot. 0: the namespace may not be entered.
    [[nodiscard]] std::uint64_t cookie() const { return cookie_; }
    /// The user who owns it: the creator of its user namespace, who is root in both. None if that
    /// is root of this machine or of this container, or the caller.
    [[nodiscard]] Result<std::optional<uid_t>> stranger() const;
    /// Whether it is named by `ip netns` (/run/netns), which only root can do.
    [[nodiscard]] bool has_name() const;
    [[nodiscard]] Result<Netns> duplicate() const;
    /// Whether its name still refers to it: open descriptors keep a deleted namespace alive. False
    /// only if that is certain.
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

/// All namespaces that can be named: those in /run/netns, the host's (PID 1), and those of
/// processes ("pid:N"). Each is listed once, by the first of these names. Omits namespaces that may
/// not be accessed. An error if the list may be incomplete for another reason.
Result<std::vector<Netns>> all_netns();

/// Finds the namespace with this inode and cookie.
/// @return Code::not_found only if it is certainly deleted; another code if not every place could
/// be searched
Result<Netns> find_netns(std::uint32_t inode, std::uint64_t cookie);

/// Runs `work` on this thread in `netns`, and goes back to where the thread was; a visit within a
/// visit does so too. The other threads keep their namespace. Needs CAP_SYS_ADMIN.
Status in_netns(const Netns& netns, const std::function<Status()>& work);

/// A socket in `netns`. It belongs to that namespace whoever uses it.
Result<Fd> socket_in(const Netns& netns, int family, int type, int protocol);

/// A shared or exclusive flock(2) on the inode of the namespace. Released when its holder dies;
/// needs no file.
class NetnsLock {
public:
    NetnsLock() = default;
    static Result<NetnsLock> shared(const Netns& netns);
    /// Drops the shared lock and tries to get the exclusive one. @return false if another process
    /// holds the lock
    Result<bool> try_exclusive();

private:
    Fd fd_;
};

}  // namespace ksms
