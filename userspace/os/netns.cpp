// SPDX-License-Identifier: BSD-2-Clause
#include "os/netns.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <set>
#include <utility>

#include "base/directory.hpp"
#include "base/nearest.hpp"
#include "base/text.hpp"
#include "os/netns_file.hpp"

namespace ksms {
namespace {

constexpr const char* kNamed = "/run/netns/";

/// The names in a directory; none if it does not exist.
Result<std::vector<std::string>> names_in(const char* path) {
    auto names = list_directory(path);
    if (!names && names.error().err == ENOENT) return std::vector<std::string>();
    return names;
}

/// Whether it can be the name of a file in /run/netns, in any encoding.
bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.front() != '-' &&
           std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string nearest_hint(std::string_view name) {
    const auto names = names_in(kNamed);
    const auto hint = names ? did_you_mean(name, *names) : std::string();
    return hint.empty() ? "`ip netns list` shows the names; pid:N, a path or host name others"
                        : hint;
}

/// Lets this thread go into namespaces, and takes it back to where it was.
class Trip {
public:
    static Result<Trip> begin() {
        Trip trip;
        trip.home_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
        if (!trip.home_) return fail_errno(errno, "open the namespace of this thread");
        return trip;
    }
    Trip(Trip&& other) noexcept
        : home_(std::move(other.home_)), away_(std::exchange(other.away_, false)) {}
    Trip& operator=(Trip&&) = delete;
    ~Trip() { static_cast<void>(go_home()); }

    /// @param name  of the namespace, for people
    Status enter(int netns, const std::string& name) {
        if (setns(netns, CLONE_NEWNET) != 0) return fail_errno(errno, "enter " + name);
        away_ = true;
        return {};
    }
    Status go_home() {
        if (!std::exchange(away_, false)) return {};
        // It takes some memory of the kernel, which may be short for a moment.
        for (int left = 3; left > 0; --left)
            if (setns(home_.get(), CLONE_NEWNET) == 0) return {};
        return fail_errno(errno, "go back to the namespace of this thread");
    }

private:
    Trip() = default;
    Fd home_;
    bool away_{false};
};

Result<std::uint64_t> enter_for_cookie(Trip& trip, int netns) {
    KSMS_CHECK(trip.enter(netns, "a namespace"));
    const Fd probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe) return fail_errno(errno, "open a socket in a namespace");
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
        return fail_errno(errno, "read a namespace's cookie");
    return cookie;
}

/// Reads the cookies of many namespaces. The cookie is 0 if the namespace may not be entered. Other
/// failures are errors.
Status read_cookies(const std::vector<int>& namespaces, std::vector<std::uint64_t>& cookies) {
    cookies.assign(namespaces.size(), 0);
    KSMS_TRY(auto trip, Trip::begin());
    for (std::size_t i = 0; i < namespaces.size(); ++i) {
        const auto cookie = enter_for_cookie(trip, namespaces[i]);
        if (!cookie && cookie.error().code != Code::not_allowed)
            return std::unexpected(cookie.error());
        cookies[i] = cookie.value_or(0);
    }
    return trip.go_home();
}

}  // namespace

Result<Netns> Netns::open_unread(const std::string& path, const std::string& name) {
    const auto none = [&] {
        return fail(Code::not_found,
                    path == name ? fmt::format("there is no network namespace at {}", path)
                                 : fmt::format("there is no namespace {} ({})", name, path),
                    "a name of `ip netns`, pid:N, a path such as /proc/N/ns/net, or host");
    };
    auto fd = open_netns_file(path);
    if (!fd) {
        const int err = fd.error().err;
        if (err == 0 || err == ENOENT || err == ESRCH || err == ENOTDIR || err == ELOOP ||
            err == ENAMETOOLONG)
            return none();
        return fail_errno(err, fmt::format("open the namespace {} ({})", name, path));
    }
    const auto cannot_look = [&] {
        return fail_errno(errno, fmt::format("look at the namespace {} ({})", name, path));
    };
    Netns netns;
    netns.name_ = name;
    netns.fd_ = std::move(*fd);
    const int type = ioctl(netns.fd_.get(), NS_GET_NSTYPE);
    if (type < 0 && errno != ENOTTY) return cannot_look();
    if (type != CLONE_NEWNET) return none();
    struct stat status{};
    if (fstat(netns.fd_.get(), &status) != 0) return cannot_look();
    netns.inode_ = static_cast<std::uint32_t>(status.st_ino);
    return netns;
}

Result<Netns> Netns::of_socket(int socket, const std::string& name) {
    Netns netns;
    netns.name_ = name;
    netns.fd_ = Fd(ioctl(socket, SIOCGSKNS));
    struct stat status{};
    if (!netns.fd_ || fstat(netns.fd(), &status) != 0)
        return fail_errno(errno, "ask for the namespace of a socket");
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

Result<Netns> Netns::open(std::string_view spec) {
    const std::string text(spec);
    if (spec == "host") return open_path(host_netns_path(), "host");
    if (spec.starts_with("pid:")) {
        const auto pid = parse_number<std::uint32_t>(spec.substr(4)).value_or(0);
        if (pid == 0)
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

/// NS_GET_USERNS and NS_GET_OWNER_UID (ioctl_ns(2)). The namespaces of a rootless container belong
/// to the user who started it. Those of a container that root started belong to root, even if its
/// root is mapped to another uid (userns-remap).
Result<std::optional<uid_t>> Netns::stranger() const {
    const auto unknown = [this] {
        return fail_errno(errno, fmt::format("ask whose the namespace {} is", name_));
    };
    // EPERM: the owner is outside of this user namespace and has more rights.
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

/// A search for all namespaces that can be named.
struct NetnsSearch {
    std::vector<Netns> found;
    std::optional<Error> unseen;

    /// Skips what ends meanwhile or is no namespace, and notes what may not be accessed. Any other
    /// failure is an error: an incomplete list would make a namespace look deleted.
    static Result<NetnsSearch> run();

private:
    /// @return Code::not_allowed if a namespace may not be accessed
    Status add(const std::string& path, const std::string& name);
    Status add_process(std::uint32_t pid);
    Status add_processes();
    /// @return whether there were any
    bool leave_out_visitors();
    Status note(Status added);
    Status read_cookies();

    std::set<std::uint32_t> known_;
};

Status NetnsSearch::add(const std::string& path, const std::string& name) {
    auto netns = Netns::open_unread(path, name);
    if (netns && known_.insert(netns->inode()).second) found.push_back(std::move(*netns));
    if (netns) return {};
    const auto& error = netns.error();
    // A loop of symbolic links (ELOOP) or a socket (ENXIO) is no namespace.
    const bool none = error.code == Code::not_found || error.code == Code::usage ||
                      error.err == ELOOP || error.err == ENXIO;
    return none ? Status{} : std::unexpected(error);
}

Status NetnsSearch::add_process(std::uint32_t pid) {
    const auto inode = netns_inode_of(pid);
    Status added;
    if (!inode)
        added = std::unexpected(inode.error());
    else if (!known_.contains(*inode))
        added = add(fmt::format("/proc/{}/ns/net", pid), fmt::format("pid:{}", pid));
    if (!added &&
        (added.error().err == ENOENT || added.error().err == ESRCH || has_process_ended(pid)))
        return {};
    return added;
}

Status NetnsSearch::add_processes() {
    KSMS_TRY(const auto names, names_in("/proc"));
    for (const auto& name : names) {
        const auto pid = parse_number<std::uint32_t>(name);
        // PID 1 was added as the host.
        if (pid && *pid != 1) KSMS_CHECK(note(add_process(*pid)));
    }
    return {};
}

/// A process may be on a trip, as ours are: its name leads to the namespace for a moment only.
bool NetnsSearch::leave_out_visitors() {
    return std::erase_if(found, [this](const Netns& netns) {
               const std::string_view name = netns.name();
               if (!name.starts_with("pid:")) return false;
               const auto pid = parse_number<std::uint32_t>(name.substr(4));
               const auto inode = pid ? netns_inode_of(*pid) : netns.inode();
               if (!inode || *inode == netns.inode()) return false;
               known_.erase(netns.inode());
               return true;
           }) > 0;
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
    KSMS_TRY(const auto names, names_in(kNamed));
    // Everybody may access these. A failure is an error, because a router would be missing from the
    // path.
    for (const auto& name : names) KSMS_CHECK(search.add(kNamed + name, name));
    KSMS_CHECK(search.note(search.add(host_netns_path(), "host")));
    KSMS_CHECK(search.add_processes());
    for (int left = 3; left > 0 && search.leave_out_visitors(); --left)
        KSMS_CHECK(search.add_processes());
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
    return fail(
        Code::not_allowed,
        fmt::format("tell whether the namespace with inode {} is gone: {}", inode,
                    search.unseen->text()),
        "root with CAP_SYS_PTRACE may look at every process; ksmsd asks ksmsd-proc.service");
}

Status in_netns(const Netns& netns, const std::function<Status()>& work) {
    KSMS_TRY(auto trip, Trip::begin());
    KSMS_CHECK(trip.enter(netns.fd(), fmt::format("the namespace {}", netns.name())));
    auto done = work();
    const auto back = trip.go_home();
    return done ? back : done;
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
    // A new open file description: a duplicate would share the flock(2).
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
