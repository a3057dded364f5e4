// SPDX-License-Identifier: BSD-2-Clause
#include "os/netns.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <climits>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <thread>

#include "base/nearest.hpp"

namespace ksms {
namespace {

constexpr const char* kNamed = "/run/netns/";
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71  // asm-generic/socket.h, Linux 5.14
#endif

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

/// @return nothing where there is no such directory
Result<std::vector<std::string>> directory_entries(const char* path) {
    std::vector<std::string> names;
    const auto cannot_read = [path] {
        return fail_errno(errno, fmt::format("read the directory {}", path));
    };
    const std::unique_ptr<DIR, CloseDirectory> directory(opendir(path));
    if (!directory && errno == ENOENT) return names;
    if (!directory) return cannot_read();
    while (true) {
        errno = 0;
        const dirent* entry = readdir(directory.get());
        if (entry == nullptr && errno != 0) return cannot_read();
        if (entry == nullptr) break;
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

/// What can be a file below /run/netns, in any script and encoding.
bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.front() != '-' &&
           std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string nearest_hint(std::string_view name) {
    const auto names = directory_entries(kNamed);
    const auto hint = names ? did_you_mean(name, *names) : std::string();
    return hint.empty() ? "`ip netns list` shows the names; pid:N, a path or host name others"
                        : hint;
}

/// The machine's own namespace is that of PID 1. Where ptrace(2)'s access check keeps it from us (a
/// container's init with more capabilities than we have), it is ours.
const char* host_path() {
    constexpr const char* init = "/proc/1/ns/net";
    const Fd readable(::open(init, O_RDONLY | O_CLOEXEC));
    const bool kept_from_us = errno == EACCES || errno == EPERM || errno == ENOENT;
    return !readable && kept_from_us ? "/proc/self/ns/net" : init;
}

/// For a thread that may go into another namespace.
Result<std::uint64_t> enter_for_cookie(int netns) {
    if (setns(netns, CLONE_NEWNET) != 0) return fail_errno(errno, "enter a namespace");
    const Fd probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe) return fail_errno(errno, "open a socket in a namespace");
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
        return fail_errno(errno, "read a namespace's cookie");
    return cookie;
}

/// On a thread of its own, which may go into another namespace. What is thrown there is thrown
/// here.
Status on_a_thread(const std::function<Status()>& work) {
    Status result;
    std::exception_ptr thrown;
    try {
        std::thread([&] {
            try {
                result = work();
            } catch (...) {
                thrown = std::current_exception();
            }
        }).join();
    } catch (const std::system_error& error) {
        return fail_errno(error.code().value(), "start a thread");
    }
    if (thrown) std::rethrow_exception(thrown);
    return result;
}

/// The cookies of many namespaces by one thread: entering is cheap, a thread is not. 0 for one that
/// we may not enter; any other failure says nothing of the namespace, and is an error.
Status read_cookies(const std::vector<int>& namespaces, std::vector<std::uint64_t>& cookies) {
    cookies.assign(namespaces.size(), 0);
    return on_a_thread([&]() -> Status {
        for (std::size_t i = 0; i < namespaces.size(); ++i) {
            const auto cookie = enter_for_cookie(namespaces[i]);
            if (!cookie && cookie.error().code != Code::not_allowed)
                return std::unexpected(cookie.error());
            cookies[i] = cookie.value_or(0);
        }
        return {};
    });
}

/// /proc/PID/ns/net of a process that has ended meanwhile: EACCES too (fs/proc/namespaces.c).
bool has_ended(const std::string& pid) {
    struct stat status{};
    return stat(("/proc/" + pid).c_str(), &status) != 0 && errno == ENOENT;
}

}  // namespace

Result<Netns> Netns::open_unread(const std::string& path, const std::string& name) {
    const auto none = [&] {
        return fail(Code::not_found,
                    path == name ? fmt::format("there is no network namespace at {}", path)
                                 : fmt::format("there is no namespace {} ({})", name, path),
                    "a name of `ip netns`, pid:N, a path such as /proc/N/ns/net, or host");
    };
    // To look at a device, a pipe or a tape by opening it would do something to it.
    const Fd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) {
        const int err = errno;
        if (err == ENOENT || err == ESRCH || err == ENOTDIR || err == ELOOP || err == ENAMETOOLONG)
            return none();
        return fail_errno(err, fmt::format("open the namespace {} ({})", name, path));
    }
    struct statfs filesystem{};
    const auto cannot_look = [&] {
        return fail_errno(errno, fmt::format("look at the namespace {} ({})", name, path));
    };
    if (fstatfs(place.get(), &filesystem) != 0) return cannot_look();
    if (filesystem.f_type != NSFS_MAGIC) return none();
    Netns netns;
    netns.name_ = name;
    netns.fd_ =
        Fd(::open(fmt::format("/proc/self/fd/{}", place.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns.fd_)
        return fail_errno(errno, fmt::format("open the namespace {} ({})", netns.name_, path));
    const int type = ioctl(netns.fd_.get(), NS_GET_NSTYPE);
    if (type < 0 && errno != ENOTTY) return cannot_look();
    if (type != CLONE_NEWNET) return none();
    struct stat status{};
    if (fstat(netns.fd_.get(), &status) != 0) return cannot_look();
    netns.inode_ = static_cast<std::uint32_t>(status.st_ino);
    return netns;
}

Result<Netns> Netns::open_path(const std::string& path, const std::string& name) {
    KSMS_TRY(auto netns, open_unread(path, name));
    std::vector<std::uint64_t> cookies;
    KSMS_CHECK(read_cookies({netns.fd()}, cookies));
    netns.cookie_ = cookies[0];
    return netns;
}

Result<Netns> Netns::current() {
    return open_path("/proc/thread-self/ns/net", "host");
}

Result<Netns> Netns::open(std::string_view spec) {
    const std::string text(spec);
    if (spec == "host") return open_path(host_path(), "host");
    if (spec.starts_with("pid:")) {
        std::uint32_t pid = 0;
        const auto* end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data() + 4, end, pid);
        if (error != std::errc() || rest != end || pid == 0)
            return fail(Code::usage, fmt::format("'{}' names no process", spec),
                        "pid:N, as in pid:1234");
        return open_path(fmt::format("/proc/{}/ns/net", pid), text);
    }
    if (spec.starts_with('/')) return open_path(text, text);
    if (!is_plain_name(spec))
        return fail(Code::usage, fmt::format("'{}' is not the name of a namespace", spec),
                    "a name of `ip netns`, pid:N, a path that begins with /, or host");
    auto netns = open_path(kNamed + text, text);
    if (!netns && netns.error().code == Code::not_found)
        return fail(Code::not_found, fmt::format("there is no namespace {}", spec),
                    nearest_hint(spec));
    return netns;
}

/// NS_GET_USERNS and NS_GET_OWNER_UID (ioctl_ns(2)). A rootless container's namespaces are those of
/// the user who started it. Those of a container that root started are root's, also where it maps
/// its root to another uid (userns-remap): root decided what that one may do there.
Result<std::optional<uid_t>> Netns::stranger() const {
    const auto unknown = [this] {
        return fail_errno(errno, fmt::format("ask whose the namespace {} is", name_));
    };
    // EPERM: the owner is outside of our own user namespace, and has more rights than we have.
    const Fd owner(ioctl(fd(), NS_GET_USERNS));
    if (!owner && errno == EPERM) return std::nullopt;
    if (!owner) return unknown();
    struct stat theirs{}, ours{};
    if (fstat(owner.get(), &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 &&
        theirs.st_ino == ours.st_ino)
        return std::nullopt;
    uid_t uid = 0;
    if (ioctl(owner.get(), NS_GET_OWNER_UID, &uid) != 0) return unknown();
    if (uid == 0 || uid == geteuid()) return std::nullopt;
    return uid;
}

bool Netns::has_name() const {
    return is_plain_name(name_) && name_ != "host" && !name_.starts_with("pid:");
}

Result<Netns> Netns::duplicate() const {
    Netns copy;
    copy.fd_ = Fd(fcntl(fd(), F_DUPFD_CLOEXEC, 0));
    if (!copy.fd_) return fail_errno(errno, "duplicate the descriptor of " + name_);
    copy.name_ = name_;
    copy.inode_ = inode_;
    copy.cookie_ = cookie_;
    return copy;
}

bool Netns::is_named_still() const {
    if (!has_name()) return true;
    struct stat status{};
    if (stat((kNamed + name_).c_str(), &status) != 0) return errno != ENOENT;
    return status.st_ino == inode_;
}

/// What can be named, and what kept a place where another may be from us.
struct NetnsSearch {
    std::vector<Netns> found;
    std::optional<Error> unseen;

    /// What goes away or is no namespace is passed over, and what we may not look at noted. Any
    /// other failure would make the list short, and somebody would be told that a namespace is
    /// gone.
    static Result<NetnsSearch> run();

private:
    /// @return Code::not_allowed where there may be one that is kept from us
    Status add(const std::string& path, const std::string& name);
    Status add_process(const std::string& pid);
    Status note(Status added);
    Status read_cookies();

    std::set<std::uint32_t> known_;
};

Status NetnsSearch::add(const std::string& path, const std::string& name) {
    auto netns = Netns::open_unread(path, name);
    if (netns && known_.insert(netns->inode()).second) found.push_back(std::move(*netns));
    if (netns) return {};
    const auto& error = netns.error();
    // A loop of links, or a socket, is no namespace either.
    const bool none = error.code == Code::not_found || error.code == Code::usage ||
                      error.err == ELOOP || error.err == ENXIO;
    return none ? Status{} : std::unexpected(error);
}

Status NetnsSearch::add_process(const std::string& pid) {
    struct stat status{};
    const auto path = "/proc/" + pid + "/ns/net";
    Status added;
    if (stat(path.c_str(), &status) != 0)
        added = fail_errno(errno, "look at " + path);
    else if (!known_.contains(static_cast<std::uint32_t>(status.st_ino)))
        added = add(path, "pid:" + pid);
    if (!added && (added.error().err == ENOENT || added.error().err == ESRCH || has_ended(pid)))
        return {};
    return added;
}

Status NetnsSearch::note(Status added) {
    if (added || added.error().code != Code::not_allowed) return added;
    unseen = std::move(added).error();
    return {};
}

Status NetnsSearch::read_cookies() {
    std::vector<int> descriptors;
    for (const auto& netns : found) descriptors.push_back(netns.fd());
    std::vector<std::uint64_t> cookies;
    KSMS_CHECK(ksms::read_cookies(descriptors, cookies));
    for (std::size_t i = 0; i < found.size(); ++i) found[i].cookie_ = cookies[i];
    return {};
}

Result<NetnsSearch> NetnsSearch::run() {
    NetnsSearch search;
    KSMS_TRY(const auto names, directory_entries(kNamed));
    // Everybody may look at these: who may not would miss a router, and be told of a path without.
    for (const auto& name : names) KSMS_CHECK(search.add(kNamed + name, name));
    KSMS_CHECK(search.note(search.add(host_path(), "host")));
    KSMS_TRY(const auto pids, directory_entries("/proc"));
    // PID 1 has had its turn: as the host, whose namespace is ours where it is kept from us.
    for (const auto& pid : pids)
        if (std::isdigit(static_cast<unsigned char>(pid.front())) != 0 && pid != "1")
            KSMS_CHECK(search.note(search.add_process(pid)));
    KSMS_CHECK(search.read_cookies());
    return search;
}

Result<std::vector<Netns>> all_netns() {
    KSMS_TRY(auto search, NetnsSearch::run());
    return std::move(search.found);
}

Result<Netns> find_netns(std::uint32_t inode, std::uint64_t cookie) {
    KSMS_TRY(auto search, NetnsSearch::run());
    const auto gone =
        fail(Code::not_found, fmt::format("the namespace with inode {} is gone", inode));
    for (auto& netns : search.found) {
        if (netns.inode() != inode) continue;
        if (netns.cookie() == cookie) return std::move(netns);
        if (netns.cookie() != 0) return gone;  // the inode is used again
        return fail(Code::not_allowed, fmt::format("enter the namespace {}", netns.name()),
                    "it needs CAP_SYS_ADMIN over it");
    }
    if (!search.unseen) return gone;
    return fail(Code::not_allowed,
                fmt::format("tell whether the namespace with inode {} is gone: {}", inode,
                            search.unseen->text()),
                "root with CAP_SYS_PTRACE may look at every process");
}

Status in_netns(const Netns& netns, const std::function<Status()>& work) {
    return on_a_thread([&]() -> Status {
        if (setns(netns.fd(), CLONE_NEWNET) != 0)
            return fail_errno(errno, fmt::format("enter the namespace {}", netns.name()));
        return work();
    });
}

Result<Fd> socket_in(const Netns& netns, int family, int type, int protocol) {
    Fd fd;
    KSMS_CHECK(in_netns(netns, [&]() -> Status {
        fd = Fd(socket(family, type, protocol));
        if (!fd) return fail_errno(errno, fmt::format("open a socket in {}", netns.name()));
        return {};
    }));
    return fd;
}

Result<NetnsLock> NetnsLock::shared(const Netns& netns) {
    NetnsLock lock;
    // A description of its own: flock(2) belongs to it, and a duplicate would share it.
    lock.fd_ =
        Fd(::open(fmt::format("/proc/self/fd/{}", netns.fd()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!lock.fd_ || flock(lock.fd_.get(), LOCK_SH) != 0)
        return fail_errno(errno, fmt::format("lock the namespace {}", netns.name()));
    return lock;
}

Result<bool> NetnsLock::try_exclusive() {
    if (!fd_) return false;
    if (flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return fail_errno(errno, "lock a namespace");
}

}  // namespace ksms
